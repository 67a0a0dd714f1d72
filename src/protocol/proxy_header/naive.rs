//! A naive reader of headers of the PROXY protocol, with which the tests compare the real one: it
//! looks at a whole header, field by field. It imports nothing, so that a fuzz target can use it
//! too.

/// Returns the length of the header at the front of `bytes`, and the client's address and port as
/// text. `None` if there is no whole header, or one that must be refused.
pub(super) fn parse(bytes: &[u8], longest: usize) -> Option<(usize, Option<String>)> {
    let signature = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
    if bytes.len() < 16 || bytes[..12] != signature {
        return None;
    }
    let (version, command) = (bytes[12] / 16, bytes[12] % 16);
    let (family, protocol) = (bytes[13] / 16, bytes[13] % 16);
    let length = 16 + 256 * bytes[14] as usize + bytes[15] as usize;
    if version != 2 || command > 1 || length > longest {
        return None;
    }
    let needed = match (command, family, protocol) {
        (0, _, _) | (1, 0, 0) => 0,
        (1, 1, 1 | 2) => 4 + 4 + 2 + 2,
        (1, 2, 1 | 2) => 16 + 16 + 2 + 2,
        (1, 3, 1 | 2) => 108 + 108,
        _ => return None,
    };
    if length < 16 + needed || bytes.len() < length {
        return None;
    }
    let number = |at: usize| 256 * u32::from(bytes[at]) + u32::from(bytes[at + 1]);
    let client = match needed {
        12 => {
            let parts: Vec<String> = bytes[16..20].iter().map(u8::to_string).collect();
            Some((parts.join("."), bytes[16..20].iter().all(|byte| *byte == 0), number(24)))
        }
        36 => {
            let is_mapped = bytes[16..26].iter().all(|byte| *byte == 0) && number(26) == 0xffff;
            let parts: Vec<String> = match is_mapped {
                true => bytes[28..32].iter().map(u8::to_string).collect(),
                false => (16..32).step_by(2).map(|at| format!("{:x}", number(at))).collect(),
            };
            let is_nobody = match is_mapped {
                true => bytes[28..32].iter().all(|byte| *byte == 0),
                false => bytes[16..32].iter().all(|byte| *byte == 0),
            };
            Some((parts.join(if is_mapped { "." } else { ":" }), is_nobody, number(48)))
        }
        _ => None,
    };
    let client = client.filter(|(_, is_nobody, _)| !is_nobody);
    Some((length, client.map(|(address, _, port)| format!("{address} {port}"))))
}
