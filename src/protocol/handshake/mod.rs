//! The opening handshake (RFC 6455 section 4): an HTTP/1.1 request for an upgrade, and the 101 that
//! accepts it.

mod client;
mod compression;
mod extensions;
mod key;
mod server;

pub use client::{ClientHandshake, ClientHandshakeError};
pub use compression::CompressionAccepted;
pub use extensions::ExtensionsMalformed;
pub use key::{ACCEPT_KEY_BYTES, accept_key};
pub use server::{HandshakeError, UpgradeRequest, check_upgrade, encode_switching_protocols};
