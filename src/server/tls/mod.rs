//! TLS: certificates, which of them a client is shown, and what a session is made by.
//!
//! | file | holds |
//! |---|---|
//! | `server_tls` | what listeners speak TLS by, in a place where it can be replaced |
//! | `certificate` | a certificate with its key, read from PEM |
//! | `certificate_facts` | its names, and when it is valid |
//! | `certificate_choice` | which certificate a client is shown |
//! | `client_authorities` | who signs the certificates of clients |
//! | `pem_file` | reads files of bounded size |
//! | `tls_error` | what can be wrong with a file |
//! | `provider` | who does the cryptography |

mod certificate;
mod certificate_choice;
mod certificate_facts;
mod client_authorities;
mod pem_file;
mod provider;
mod server_tls;
mod tls_error;

pub use certificate::TlsCertificate;
pub use client_authorities::ClientAuthorities;
pub use provider::TlsProvider;
pub use server_tls::{ServerTls, TlsOptions};
pub use tls_error::TlsError;
