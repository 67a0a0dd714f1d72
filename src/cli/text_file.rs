//! Reads the text files that flags name: configurations, keys and tokens.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The most bytes of one file. The largest that anybody needs are configurations and sets of
/// public keys, of some kilobytes; but `/dev/zero`, for example, never ends.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads a file whole.
///
/// # Errors
///
/// Those of the file system; and `InvalidData` if the file is longer than 1 MiB or not UTF-8.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let what = "it is longer than 1MiB, so it is not what was meant";
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_a_mebibyte() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (bytes, is_read) in [(0, true), (1 << 20, true), ((1 << 20) + 1, false)] {
            std::fs::write(file.path(), "x".repeat(bytes)).unwrap();
            let read = read(file.path());
            assert_eq!(read.map(|text| text.len()).ok(), is_read.then_some(bytes));
        }
        assert_eq!(read(Path::new("/dev/zero")).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
