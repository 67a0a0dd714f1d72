//! The buffers through which a reactor encrypts and decrypts.

/// The most bytes of plaintext in a record (RFC 8446 section 5.1).
pub(super) const RECORD_BYTES_MAX: usize = 16 * 1024;
/// More than a record's plaintext takes beside it, with a `close_notify` behind it, even if a
/// configuration has it divided into records of 32 bytes. A message of a handshake is no longer
/// than a record, because rustls divides it.
const OVERHEAD_BYTES_MAX: usize = 16 * 1024;

/// The buffers through which all connections of a reactor encrypt and decrypt.
#[derive(Debug, Default)]
pub(crate) struct TlsScratch {
    /// Ciphertext that was just received. It is as large as the reactor's receive buffer.
    pub(super) received: Vec<u8>,
    /// Ciphertext that is to be sent: one record, or one message of a handshake.
    pub(super) sent: Vec<u8>,
}

impl TlsScratch {
    /// Makes room for this many bytes of received ciphertext, and for what is sent.
    pub(super) fn grow(&mut self, receive_bytes: usize) {
        if self.received.len() < receive_bytes {
            self.received.resize(receive_bytes, 0);
        }
        if self.sent.is_empty() {
            self.sent.resize(RECORD_BYTES_MAX + OVERHEAD_BYTES_MAX, 0);
        }
    }
}
