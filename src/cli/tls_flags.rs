//! Whom a client trusts by TLS.

use std::path::PathBuf;

/// Which certificates a client takes.
#[derive(clap::Args, Default)]
pub(crate) struct TlsFlags {
    /// Take any certificate of the server: for a try, because it may be anybody's
    #[arg(long, short = 'k')]
    pub(crate) insecure: bool,
    /// A PEM file with the authorities that may have signed the server's certificate, or with this
    /// certificate itself [default: those that this system trusts]
    #[arg(long, value_name = "FILE", env = "FANFARE_CACERT")]
    pub(crate) cacert: Option<PathBuf>,
}

impl TlsFlags {
    /// Flags with which any certificate is taken.
    pub(crate) const INSECURE: TlsFlags = TlsFlags { insecure: true, cacert: None };
}
