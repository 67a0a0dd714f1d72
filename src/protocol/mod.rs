//! The WebSocket protocol and the part of HTTP/1.1 around it, without I/O.
