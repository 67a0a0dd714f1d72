//! The WebSocket protocol (RFC 6455) and the part of HTTP/1.1 around it (RFC 9110, RFC 9112),
//! without I/O: bytes in, events out, for both roles. It knows no socket, no clock, no thread and
//! no channel.
//!
//! | file | RFC | holds |
//! |---|---|---|
//! | `opcode`, `frame`, `mask` | 6455 section 5 | frame headers, masking, frames for sending |
//! | `utf8`, `message` | 6455 sections 5.6, 8.1 | text that arrives in pieces; a message |
//! | `decoder` | 6455 sections 5.4 to 5.6 | frames in, messages and control frames out |
//! | `deflate` | 7692 | compressed messages: permessage-deflate |
//! | `close`, `close_code`, `error` | 6455 section 7.4 | how a connection is closed, and why |
//! | `http` | 9112, 9110 | heads of requests and responses, strictly |
//! | `handshake` | 6455 section 4 | the opening handshake of both roles |

mod close;
mod close_code;
mod decoder;
mod deflate;
mod error;
mod frame;
mod handshake;
mod http;
mod mask;
mod message;
mod opcode;
mod proxy_header;
mod utf8;

pub use close::{CLOSE_REASON_BYTES_MAX, CloseFrame, encode_close, encode_masked_close};
pub use close_code::CloseCode;
pub use decoder::{
    CompressedMessage, Decoded, Decoder, DecoderLimits, Event, Role, UNCONSUMED_BYTES_MAX,
};
pub use deflate::{
    COMPRESSION_LEVEL_DEFAULT, COMPRESSION_LEVEL_MAX, COMPRESSION_LEVEL_MIN, CompressionOptions,
    Deflater, InflateError, Inflater, WINDOW_BITS_DEFAULT, WINDOW_BITS_MAX, WINDOW_BITS_MIN,
    deflated_bytes_max,
};
pub use error::ProtocolError;
pub use frame::{
    CONTROL_PAYLOAD_BYTES_MAX, EncodedHeader, FrameHeader, HEADER_BYTES_MAX,
    encode_compressed_frame, encode_frame, encode_masked_compressed_frame, encode_masked_frame,
};
pub use handshake::{
    ACCEPT_KEY_BYTES, ClientHandshake, ClientHandshakeError, CompressionAccepted,
    ExtensionsMalformed, HandshakeError, UpgradeRequest, accept_key, check_upgrade,
    encode_switching_protocols,
};
#[cfg(feature = "broadcast")]
pub(crate) use http::is_token;
pub use http::{
    HEAD_BYTES_MAX_DEFAULT, HEADERS_MAX, HeadScanner, HeaderStorage, HttpError, HttpLimits,
    Persistence, Request, Response, ResponseHead, write_request,
};
pub(crate) use http::{Scheme, told_client, told_scheme};
pub use mask::{apply_mask, apply_mask_at};
pub use message::{Message, MessageKind};
pub use opcode::Opcode;
pub use proxy_header::{ProxyHeader, ProxyHeaderError};
pub use utf8::{InvalidUtf8, Utf8Validator};
