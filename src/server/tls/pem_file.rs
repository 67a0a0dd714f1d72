//! Reads the files of certificates and keys.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::tls_error::TlsError;

/// The largest file that is read. A chain of certificates takes some kilobytes, and all
/// authorities that a system knows about 250.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Reads a whole file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let why = "it is larger than 4 MiB, so it cannot be such a file";
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, why)));
    }
    Ok(bytes)
}

/// Reads a whole file, if there is one.
pub(super) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, TlsError> {
    match read(path) {
        Err(TlsError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}
