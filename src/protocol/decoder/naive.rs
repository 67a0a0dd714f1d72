//! A naive decoder of WebSocket frames, with which the tests compare the real one. It is given the
//! whole input, copies everything, and imports nothing, so that the fuzz target can use it too. It
//! is slow and simple on purpose.

/// A decoded message or control frame, with a copy of its payload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum NaiveEvent {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    /// A compressed message; true: it is text.
    Compressed(bool, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, Vec<u8>)>),
}

/// Returns the events in `bytes` and how decoding ended: `Ok` with the incomplete bytes at the end,
/// which break no rule yet, or the name of the broken rule.
pub(super) fn decode(
    server: bool,
    message_bytes_max: usize,
    fragments_max: u32,
    compression: bool,
    bytes: &[u8],
) -> (Vec<NaiveEvent>, Result<Vec<u8>, &'static str>) {
    let mut events = Vec::new();
    let mut rest = bytes;
    // The unfinished message: its opcode, its payload so far, its number of frames so far.
    let mut message: Option<(u8, Vec<u8>, u32)> = None;
    let mut compressed = false;
    loop {
        let frame = match split_header(rest, compression) {
            Ok(Some(frame)) => frame,
            Ok(None) => return (events, Ok(rest.to_vec())),
            Err(error) => return (events, Err(error)),
        };
        match (server, frame.masked) {
            (true, false) => return (events, Err("MaskRequired")),
            (false, true) => return (events, Err("MaskForbidden")),
            _ => {}
        }
        let here = &rest[frame.header_bytes..];
        let complete = here.len() as u128 >= frame.payload_bytes;
        let taken = if complete { frame.payload_bytes as usize } else { here.len() };
        let payload: Vec<u8> =
            here[..taken].iter().enumerate().map(|(i, byte)| byte ^ frame.key[i % 4]).collect();

        if frame.opcode >= 8 {
            if !complete {
                return (events, Ok(rest.to_vec()));
            }
            match control(frame.opcode, payload) {
                Ok(event) => events.push(event),
                Err(error) => return (events, Err(error)),
            }
            if frame.opcode == 8 {
                return (events, Ok(Vec::new()));
            }
            rest = &here[taken..];
            continue;
        }

        let (opcode, mut payload_so_far, fragments) = match (frame.opcode, message.take()) {
            (0, None) => return (events, Err("ContinuationUnexpected")),
            (0, Some(message)) => message,
            (_, Some(_)) => return (events, Err("ContinuationExpected")),
            (opcode, None) => (opcode, Vec::new(), 0),
        };
        compressed = frame.compressed || (frame.opcode == 0 && compressed);
        let deflated = message_bytes_max as u128 / 4 + 64 + 8 * (u128::from(fragments) + 1);
        let bytes_max = message_bytes_max as u128 + if compressed { deflated } else { 0 };
        if payload_so_far.len() as u128 + frame.payload_bytes > bytes_max {
            return (events, Err("MessageTooBig"));
        }
        if fragments >= fragments_max {
            return (events, Err("TooManyFragments"));
        }
        payload_so_far.extend_from_slice(&payload);
        let ends = complete && frame.fin;
        if opcode == 1 && !compressed && !may_be_utf8(&payload_so_far, ends) {
            return (events, Err("InvalidUtf8"));
        }
        if !complete {
            return (events, Ok(Vec::new()));
        }
        match (ends, opcode) {
            (true, _) if compressed => {
                events.push(NaiveEvent::Compressed(opcode == 1, payload_so_far));
            }
            (true, 1) => events.push(NaiveEvent::Text(payload_so_far)),
            (true, _) => events.push(NaiveEvent::Binary(payload_so_far)),
            (false, _) => message = Some((opcode, payload_so_far, fragments + 1)),
        }
        rest = &here[taken..];
    }
}

struct NaiveFrame {
    fin: bool,
    compressed: bool,
    opcode: u8,
    masked: bool,
    key: [u8; 4],
    payload_bytes: u128,
    header_bytes: usize,
}

fn split_header(bytes: &[u8], compression: bool) -> Result<Option<NaiveFrame>, &'static str> {
    if bytes.len() < 2 {
        return Ok(None);
    }
    let bit = |byte: usize, bit: u32| bytes[byte] >> (7 - bit) & 1 == 1;
    let (fin, opcode, masked, length) = (bit(0, 0), bytes[0] & 15, bit(1, 0), bytes[1] & 127);
    let compressed = bit(0, 1);
    let may_be_compressed = compression && (opcode == 1 || opcode == 2);
    if (compressed && !may_be_compressed) || bit(0, 2) || bit(0, 3) {
        return Err("ReservedBits");
    }
    if ![0, 1, 2, 8, 9, 10].contains(&opcode) {
        return Err("UnknownOpcode");
    }
    if opcode >= 8 && !fin {
        return Err("ControlFragmented");
    }
    if opcode >= 8 && length > 125 {
        return Err("ControlTooLong");
    }
    let extended = match length {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    if bytes.len() < 2 + extended {
        return Ok(None);
    }
    let payload_bytes = match extended {
        0 => u128::from(length),
        _ => bytes[2..2 + extended].iter().fold(0, |value, &byte| value * 256 + u128::from(byte)),
    };
    if payload_bytes >= 1 << 63 {
        return Err("LengthTooLarge");
    }
    if (extended == 2 && payload_bytes < 126) || (extended == 8 && payload_bytes < 65_536) {
        return Err("LengthNotMinimal");
    }
    let header_bytes = 2 + extended + if masked { 4 } else { 0 };
    if bytes.len() < header_bytes {
        return Ok(None);
    }
    let mut key = [0; 4];
    if masked {
        key.copy_from_slice(&bytes[header_bytes - 4..header_bytes]);
    }
    Ok(Some(NaiveFrame { fin, compressed, opcode, masked, key, payload_bytes, header_bytes }))
}

fn control(opcode: u8, payload: Vec<u8>) -> Result<NaiveEvent, &'static str> {
    match (opcode, payload.len()) {
        (9, _) => Ok(NaiveEvent::Ping(payload)),
        (10, _) => Ok(NaiveEvent::Pong(payload)),
        (_, 0) => Ok(NaiveEvent::Close(None)),
        (_, 1) => Err("CloseBodyTooShort"),
        _ => {
            let code = u16::from(payload[0]) * 256 + u16::from(payload[1]);
            let defined = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]
                .contains(&code);
            if !defined && !(3000..5000).contains(&code) {
                return Err("CloseCodeInvalid");
            }
            if !may_be_utf8(&payload[2..], true) {
                return Err("InvalidUtf8");
            }
            Ok(NaiveEvent::Close(Some((code, payload[2..].to_vec()))))
        }
    }
}

/// Returns true if the bytes are UTF-8, or, unless the text `ends` here, can be completed to it.
fn may_be_utf8(bytes: &[u8], ends: bool) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => !ends && error.error_len().is_none(),
    }
}
