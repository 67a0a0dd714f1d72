//! Everything about a single connection, and what it needs from the machine. The generator and the
//! reference server use this module, and it depends on neither.
//!
//! ```text
//! clock       moments, and a timer that ends a wait       random   masking keys, nonces, chances
//! socket      connecting, open files, one read            stream   a socket, or TLS over one (tls)
//! slots       the connections of a thread, by id          target   the URL and --source-ip
//! connection  opening handshake, frames, outbound bytes   request  headers, own and of -H
//! ends        how connections end, by class               post     publishing by POST
//! interrupt   SIGINT and SIGTERM
//! ```
pub(crate) mod clock;
pub(crate) mod connection;
pub(crate) mod ends;
pub(crate) mod interrupt;
pub(crate) mod post;
pub(crate) mod random;
pub(crate) mod request;
pub(crate) mod slots;
pub(crate) mod socket;
pub(crate) mod stream;
pub(crate) mod target;
pub(crate) mod tls;
