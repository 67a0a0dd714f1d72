//! Computes how an echo server must answer a whole stream of frames. It is written from RFC 6455
//! alone, has all bytes at once, and shares no code with the library. The target `session` compares
//! the server with it.

/// The server's limits. A message that exceeds both is reported as too big.
#[derive(Clone, Copy)]
pub struct Limits {
    pub message_bytes_max: usize,
    pub fragments_max: usize,
}

/// How the connection ends after the stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// The connection does not end: more frames may follow.
    Open,
    /// The client has sent a Close frame with this code and reason. The server answers with the
    /// same; if there is no code, with 1000.
    Closed(Option<u16>, Vec<u8>),
    /// The client has broken a rule. The server sends a Close frame with this code.
    Failed(u16),
    /// The last frame is incomplete, and its beginning breaks a rule already. The server may fail
    /// the connection now, or only when the frame is complete.
    MayFail(u16),
}

/// A frame that the server sends: its opcode and payload.
pub type Frame = (u8, Vec<u8>);

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

const PROTOCOL_ERROR: u16 = 1002;
const INVALID_PAYLOAD: u16 = 1007;
const POLICY_VIOLATION: u16 = 1008;
const MESSAGE_TOO_BIG: u16 = 1009;

/// Returns the frames that the server must send, and how the connection ends.
pub fn echo(stream: &[u8], limits: Limits) -> (Vec<Frame>, End) {
    let mut answers = Vec::new();
    let end = answer(stream, limits, &mut answers).map_or_else(|end| end, |()| End::Open);
    (answers, end)
}

fn answer(mut rest: &[u8], limits: Limits, answers: &mut Vec<Frame>) -> Result<(), End> {
    // The message that has begun: its opcode, and the payloads of its frames so far.
    let mut message: Option<(u8, Vec<Vec<u8>>)> = None;
    while !rest.is_empty() {
        let header = header(rest)?;
        let opcode = header.opcode;
        let here = &rest[header.bytes..];
        let is_whole = here.len() as u128 >= header.payload_bytes;
        let payload: Vec<u8> = here
            .iter()
            .zip(header.key.iter().cycle())
            .zip(0..header.payload_bytes)
            .map(|((byte, key), _)| byte ^ key)
            .collect();
        rest = &here[payload.len()..];

        if opcode >= CLOSE {
            if !is_whole {
                return match check_close(&payload, header.payload_bytes as usize, false) {
                    Err(code) if opcode == CLOSE => Err(End::MayFail(code)),
                    _ => Ok(()),
                };
            }
            match opcode {
                // Section 5.5.2: "in response, unless it already received a Close frame".
                PING => answers.push((PONG, payload)),
                // Section 5.5.3: "A response to an unsolicited Pong frame is not expected."
                PONG => {}
                _ => {
                    check_close(&payload, payload.len(), true).map_err(End::Failed)?;
                    return Err(match payload.split_at_checked(2) {
                        Some((code, reason)) => {
                            End::Closed(Some(number(code) as u16), reason.to_vec())
                        }
                        None => End::Closed(None, Vec::new()),
                    });
                }
            }
            continue;
        }

        // Section 5.4: a message is one text or binary frame, then continuation frames; no frame of
        // another message may come between.
        let (kind, mut payloads) = match (opcode, message.take()) {
            (0, None) | (TEXT | BINARY, Some(_)) => return Err(End::Failed(PROTOCOL_ERROR)),
            (0, Some(message)) => message,
            (first, None) => (first, Vec::new()),
            (_, Some(_)) => unreachable!("reserved opcodes have failed before"),
        };
        let so_far: usize = payloads.iter().map(Vec::len).sum();
        if so_far as u128 + header.payload_bytes > limits.message_bytes_max as u128 {
            return Err(End::Failed(MESSAGE_TOO_BIG));
        }
        if payloads.len() == limits.fragments_max {
            return Err(End::Failed(POLICY_VIOLATION));
        }
        payloads.push(payload);
        let text = payloads.concat();
        let is_last = is_whole && header.fin;
        // Section 8.1: the connection fails at the first byte that cannot be part of UTF-8 text.
        if kind == TEXT && !is_utf8(&text, is_last) {
            return Err(End::Failed(INVALID_PAYLOAD));
        }
        if is_last {
            answers.push((kind, text));
        } else if is_whole {
            message = Some((kind, payloads));
        } else {
            return Ok(());
        }
    }
    Ok(())
}

struct Header {
    fin: bool,
    opcode: u8,
    key: [u8; 4],
    payload_bytes: u128,
    /// The length of the header itself.
    bytes: usize,
}

/// Parses a header (section 5.2). An incomplete header that breaks no rule is no error yet.
fn header(bytes: &[u8]) -> Result<Header, End> {
    let [first, second, ..] = bytes else { return Err(End::Open) };
    let (fin, reserved, opcode) = (first / 128 == 1, first / 16 % 8, first % 16);
    let (is_masked, length) = (second / 128 == 1, second % 128);
    let is_control = opcode >= 8;
    let is_known = matches!(opcode, 0 | TEXT | BINARY | CLOSE | PING | PONG);
    // Section 5.5: control frames "MUST have a payload length of 125 bytes or less and MUST NOT be
    // fragmented".
    let breaks_rule =
        reserved != 0 || !is_known || !is_masked || is_control && (!fin || length > 125);
    let extended: usize = match length {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let header_bytes = 2 + extended + if is_masked { 4 } else { 0 };
    let Some(length_bytes) = bytes.get(2..2 + extended) else {
        return Err(if breaks_rule { End::MayFail(PROTOCOL_ERROR) } else { End::Open });
    };
    let payload_bytes = if extended == 0 { u128::from(length) } else { number(length_bytes) };
    // "the minimal number of bytes MUST be used to encode the length"; "the most significant bit
    // MUST be 0".
    let smallest = [0, 126, 65_536][usize::from(length.saturating_sub(125))];
    let breaks_rule = breaks_rule || payload_bytes < smallest || payload_bytes >= 1 << 63;
    if breaks_rule {
        let is_whole = bytes.len() >= header_bytes;
        return Err(if is_whole {
            End::Failed(PROTOCOL_ERROR)
        } else {
            End::MayFail(PROTOCOL_ERROR)
        });
    }
    let key = bytes.get(2 + extended..header_bytes).ok_or(End::Open)?;
    let key = key.try_into().expect("a masked frame has a key of four bytes");
    Ok(Header { fin, opcode, key, payload_bytes, bytes: header_bytes })
}

/// Checks the body of a Close frame (sections 5.5.1 and 7.4). `payload` is the part of it that has
/// arrived.
fn check_close(payload: &[u8], payload_bytes: usize, is_whole: bool) -> Result<(), u16> {
    if payload_bytes == 1 {
        return Err(PROTOCOL_ERROR);
    }
    let Some((code, reason)) = payload.split_at_checked(2) else { return Ok(()) };
    // 1004 is reserved; 1005, 1006 and 1015 must not be in a frame; 1012 to 1014 have been
    // registered after the RFC.
    match number(code) {
        1000..=1003 | 1007..=1014 | 3000..=4999 => {}
        _ => return Err(PROTOCOL_ERROR),
    }
    if is_utf8(reason, is_whole) { Ok(()) } else { Err(INVALID_PAYLOAD) }
}

/// Returns true if the bytes are UTF-8 or, unless the text is whole, can be completed to it.
fn is_utf8(bytes: &[u8], is_whole: bool) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => !is_whole && error.error_len().is_none(),
    }
}

/// Reads a number in network byte order.
fn number(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |number, byte| number * 256 + u128::from(*byte))
}

/// Appends a frame as a server sends it: final and not masked (section 5.1).
pub fn encode(&(opcode, ref payload): &Frame, out: &mut Vec<u8>) {
    out.push(128 + opcode);
    match payload.len() {
        length @ ..126 => out.push(length as u8),
        length @ ..65_536 => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { message_bytes_max: 1000, fragments_max: 3 };

    fn echo(stream: &[u8]) -> (Vec<Frame>, End) {
        super::echo(stream, LIMITS)
    }

    #[test]
    fn the_examples_of_section_5_7() {
        let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(echo(&masked), (vec![(TEXT, b"Hello".to_vec())], End::Open));
        let ping = [0x89, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(echo(&ping), (vec![(PONG, b"Hello".to_vec())], End::Open));
        let unmasked = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
        assert_eq!(echo(&unmasked), (vec![], End::Failed(1002)));
        let mut out = Vec::new();
        encode(&(TEXT, b"Hello".to_vec()), &mut out);
        assert_eq!(out, unmasked);
    }

    #[test]
    fn fragments_and_a_close() {
        let mut stream = vec![0x01, 0x81, 0, 0, 0, 0, b'a', 0x89, 0x80, 0, 0, 0, 0];
        stream.extend_from_slice(&[0x80, 0x81, 0, 0, 0, 0, b'b', 0x88, 0x82, 0, 0, 0, 0, 3, 232]);
        let answers = vec![(PONG, vec![]), (TEXT, b"ab".to_vec())];
        assert_eq!(echo(&stream), (answers, End::Closed(Some(1000), vec![])));
    }
}
