use proptest::prelude::*;

use super::*;

/// Makes a header: version and command, family and protocol, and what follows the length.
fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend([command, family]);
    bytes.extend((rest.len() as u16).to_be_bytes());
    bytes.extend(rest);
    bytes
}

fn ipv4_addresses() -> Vec<u8> {
    vec![203, 0, 113, 9, 10, 0, 0, 1, 0x12, 0x67, 0, 80]
}

fn ipv6_addresses(client: &str) -> Vec<u8> {
    let client: Ipv6Addr = client.parse().unwrap();
    let mut bytes = client.octets().to_vec();
    bytes.extend([0xfd; 16]);
    bytes.extend([0x12, 0x67, 0, 80]);
    bytes
}

fn client(bytes: &[u8]) -> Option<String> {
    let header = ProxyHeader::parse(bytes).unwrap().unwrap();
    header.client.map(|address| address.to_string())
}

#[test]
fn the_client_is_told_by_the_source_address() {
    let four = ipv4_addresses();
    let six = ipv6_addresses("2001:db8::9");
    let mapped = ipv6_addresses("::ffff:203.0.113.9");
    for (command, family, rest, expected) in [
        (0x21, 0x11, &four[..], Some("203.0.113.9:4711")),
        (0x21, 0x12, &four, Some("203.0.113.9:4711")),
        (0x21, 0x21, &six, Some("[2001:db8::9]:4711")),
        (0x21, 0x22, &six, Some("[2001:db8::9]:4711")),
        (0x21, 0x21, &mapped, Some("203.0.113.9:4711")),
        (0x21, 0x31, &[b'/'; UNIX_BYTES], None),
        (0x21, 0x32, &[0; UNIX_BYTES], None),
        (0x21, 0x00, &[], None),
        (0x21, 0x00, &four, None),
        (0x21, 0x11, &[0; IPV4_BYTES], None),
        (0x21, 0x21, &[0; IPV6_BYTES], None),
        (0x20, 0x00, &[], None),
        (0x20, 0x11, &four, None),
        (0x20, 0xff, &[1, 2, 3], None),
    ] {
        let mut bytes = header(command, family, rest);
        assert_eq!(client(&bytes).as_deref(), expected, "{command:x} {family:x}");
        let header_bytes = bytes.len();
        bytes.extend(b"GET / HTTP/1.1\r\n");
        let found = ProxyHeader::parse(&bytes).unwrap().unwrap();
        assert_eq!(found.bytes, header_bytes, "what follows is not the header's");
        // Additions of the proxy stand behind the addresses, and are skipped.
        let added = header(command, family, &[rest, &[0xe0, 0, 2, 7, 7, 0xff][..]].concat());
        assert_eq!(client(&added).as_deref(), expected, "{command:x} {family:x} with more");
    }
}

#[test]
fn what_is_wrong_is_refused_at_its_first_wrong_byte() {
    use ProxyHeaderError::{Command, Family, Length, NoHeader};
    let wrong_length = |family, rest: &[u8]| header(0x21, family, rest);
    for (bytes, at, error) in [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), 0, NoHeader),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n".to_vec(), 0, NoHeader),
        (b"\r\n\r\n\0\r\nQUIT\r".to_vec(), 11, NoHeader),
        (b"\x16\x03\x01".to_vec(), 0, NoHeader),
        (header(0x11, 0x11, &ipv4_addresses()), 12, Command),
        (header(0x22, 0x11, &ipv4_addresses()), 12, Command),
        (header(0x31, 0x11, &ipv4_addresses()), 12, Command),
        (header(0x00, 0x00, &[]), 12, Command),
        (header(0x21, 0x10, &ipv4_addresses()), 13, Family),
        (header(0x21, 0x13, &ipv4_addresses()), 13, Family),
        (header(0x21, 0x01, &[]), 13, Family),
        (header(0x21, 0x41, &[0; 300]), 13, Family),
        (wrong_length(0x11, &[1; IPV4_BYTES - 1]), 15, Length),
        (wrong_length(0x21, &[1; IPV6_BYTES - 1]), 15, Length),
        (wrong_length(0x31, &[1; UNIX_BYTES - 1]), 15, Length),
        (wrong_length(0x11, &[1; PROXY_HEADER_BYTES_MAX - FIXED_BYTES + 1]), 15, Length),
        (wrong_length(0x00, &[1; 65535]), 15, Length),
        (header(0x20, 0x00, &[1; 65535]), 15, Length),
    ] {
        for end in 0..=bytes.len() {
            let expected = if end > at { Err(error) } else { Ok(None) };
            assert_eq!(ProxyHeader::parse(&bytes[..end]), expected, "{end} of {at} {error:?}");
        }
    }
    let longest = header(0x21, 0x00, &[1; PROXY_HEADER_BYTES_MAX - FIXED_BYTES]);
    let found = ProxyHeader::parse(&longest).unwrap().unwrap();
    assert_eq!(found.bytes, PROXY_HEADER_BYTES_MAX);
}

#[test]
fn a_header_in_pieces_is_read_when_its_last_byte_has_come() {
    for bytes in [
        header(0x21, 0x11, &ipv4_addresses()),
        header(0x21, 0x21, &[ipv6_addresses("::1"), vec![4, 0, 1, 0]].concat()),
        header(0x21, 0x31, &[0; UNIX_BYTES]),
        header(0x20, 0x00, &[]),
    ] {
        for end in 0..bytes.len() {
            assert_eq!(ProxyHeader::parse(&bytes[..end]), Ok(None), "{end}");
        }
        assert!(ProxyHeader::parse(&bytes).unwrap().is_some());
    }
}

/// Returns the same as the naive reader, whose texts have no brackets and no abbreviations.
fn as_naive(header: ProxyHeader) -> (usize, Option<String>) {
    let text = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => format!("{ip} {}", address.port()),
        IpAddr::V6(ip) => {
            let parts: Vec<String> = ip.segments().iter().map(|part| format!("{part:x}")).collect();
            format!("{} {}", parts.join(":"), address.port())
        }
    };
    (header.bytes, header.client.map(text))
}

proptest! {
    #[test]
    fn the_naive_reader_finds_the_same(
        command in prop_oneof![Just(0x20u8), Just(0x21u8), any::<u8>()],
        family in prop_oneof![Just(0x11u8), Just(0x21u8), Just(0x31u8), Just(0u8), any::<u8>()],
        length in prop_oneof![0u16..300, 4000u16..4100, any::<u16>()],
        rest in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            prop::collection::vec(prop_oneof![Just(0u8), Just(0xffu8)], 0..4200),
        ],
        is_true_length in any::<bool>(),
        flipped in prop_oneof![Just(None), (0usize..16, any::<u8>()).prop_map(Some)],
    ) {
        let mut bytes = header(command, family, &rest);
        if !is_true_length {
            bytes[14..16].copy_from_slice(&length.to_be_bytes());
        }
        if let Some((at, byte)) = flipped {
            bytes[at] = byte;
        }
        let whole = ProxyHeader::parse(&bytes);
        let naive = naive::parse(&bytes, PROXY_HEADER_BYTES_MAX);
        prop_assert_eq!(whole.ok().flatten().map(as_naive), naive);
        // However it is cut, the outcome is the same, and comes no later than the last byte.
        let mut first = Ok(None);
        for end in 0..=bytes.len() {
            first = ProxyHeader::parse(&bytes[..end]);
            if first != Ok(None) {
                break;
            }
        }
        prop_assert_eq!(first, whole);
    }
}
