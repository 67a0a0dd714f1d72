use proptest::prelude::*;

use super::*;

/// The message of the examples in RFC 7692 section 7.2.3.
const HELLO: &[u8] = b"Hello";

fn deflated(payload: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::new();
    Deflater::new(COMPRESSION_LEVEL_DEFAULT, WINDOW_BITS_DEFAULT).deflate(payload, &mut compressed);
    compressed
}

/// Reads a compressed message, and compares with the naive twin.
fn inflated(compressed: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
    let mut out = b"before ".to_vec();
    let read = Inflater::new().inflate(compressed, limit, &mut out);
    assert!(out.len() <= 7 + limit + 1 + 512, "{} bytes for a limit of {limit}", out.len());
    assert!(out.starts_with(b"before "));
    let read = read.map(|()| out.split_off(7));
    let naive = naive::inflate(compressed, limit);
    match (&read, &naive) {
        (Ok(one), Ok(other)) => assert_eq!(one, other),
        (Err(one), Err(other)) => assert_eq!(format!("{one:?}"), *other, "{compressed:02x?}"),
        _ => panic!("{read:?} is not {naive:?}: {compressed:02x?}"),
    }
    read
}

#[test]
fn reads_the_examples_of_rfc_7692_section_7_2_3() {
    for compressed in [
        // 7.2.3.1: one block. It may come in fragments of 3 and 4 bytes.
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
        // 7.2.3.3: a block without compression.
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        // 7.2.3.4: a block called the last one.
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        // The same without the byte that makes it look like the others.
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
        // 7.2.3.5: two blocks.
        &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
    ] {
        assert_eq!(inflated(compressed, 5).as_deref(), Ok(HELLO), "{compressed:02x?}");
        assert_eq!(inflated(compressed, 4), Err(InflateError::TooLarge));
    }
    // 7.2.3.6: an empty message.
    assert_eq!(inflated(&[0x00], 0).as_deref(), Ok(&b""[..]));
    // An empty block and the end of a flush, as Chromium sends it.
    assert_eq!(inflated(&[0x02, 0x00], 0).as_deref(), Ok(&b""[..]));
}

#[test]
fn writes_what_rfc_7692_section_7_2_3_shows() {
    assert_eq!(deflated(HELLO), [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    assert_eq!(deflated(b""), [0x00]);
}

#[test]
fn nothing_of_an_earlier_message_is_referred_to() {
    let mut deflater = Deflater::new(COMPRESSION_LEVEL_DEFAULT, WINDOW_BITS_DEFAULT);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    deflater.deflate(HELLO, &mut first);
    deflater.deflate(HELLO, &mut second);
    assert_eq!(first, second);
    // 7.2.3.2: with context takeover the second "Hello" would be a reference to the first.
    let mut inflater = Inflater::new();
    let mut out = Vec::new();
    assert_eq!(inflater.inflate(&first, 5, &mut out), Ok(()));
    let reference = [0xf2, 0x00, 0x11, 0x00, 0x00];
    assert_eq!(inflater.inflate(&reference, 5, &mut out), Err(InflateError::Corrupt));
    assert_eq!(inflated(&reference, 5), Err(InflateError::Corrupt));
    // Neither before a block that was called the last one.
    let mut behind_last = vec![0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    behind_last.extend_from_slice(&reference);
    assert_eq!(inflated(&behind_last, 50), Err(InflateError::Corrupt));
}

#[test]
fn a_message_that_does_not_end_where_a_block_ends_is_corrupt() {
    let whole = deflated("Hello, hello, hello, and more of it, and more".as_bytes());
    for end in 0..whole.len() {
        assert_eq!(inflated(&whole[..end], 1000), Err(InflateError::Corrupt), "cut at {end}");
    }
    for bad in [
        // A stored block that would be filled with what ends each message.
        &[0x00, 0x04, 0x00, 0xfb, 0xff][..],
        &[0x00, 0x0d, 0x00, 0xf2, 0xff],
        // The end of the flush is not taken off.
        &[0x00, 0x00, 0x00, 0xff, 0xff],
        // Bytes behind a block called the last one, which are no block.
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00, 0x00],
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x06],
        // A block type that does not exist.
        &[0x06, 0x00],
    ] {
        assert_eq!(inflated(bad, 1000), Err(InflateError::Corrupt), "{bad:02x?}");
    }
}

#[test]
fn a_bomb_costs_no_more_than_the_limit() {
    let bomb = deflated(&vec![b'x'; 16 << 20]);
    assert!(bomb.len() * 500 < 16 << 20);
    let mut inflater = Inflater::new();
    let mut out = Vec::new();
    assert_eq!(inflater.inflate(&bomb, 64 << 10, &mut out), Err(InflateError::TooLarge));
    assert!(out.capacity() <= 2 * (64 << 10) + 1, "{}", out.capacity());
    out.clear();
    assert_eq!(inflater.inflate(&bomb, 16 << 20, &mut out), Ok(()));
    assert_eq!(out.len(), 16 << 20);
}

#[test]
fn once_warm_neither_side_grows_its_buffer() {
    let payload: Vec<u8> = (0..20_000_u32).map(|n| ((n * n) >> 7) as u8).collect();
    let (mut deflater, mut inflater) = (Deflater::new(1, 9), Inflater::new());
    let (mut compressed, mut out) = (Vec::new(), Vec::new());
    let mut capacities = Vec::new();
    for _ in 0..3 {
        compressed.clear();
        out.clear();
        deflater.deflate(&payload, &mut compressed);
        assert_eq!(inflater.inflate(&compressed, payload.len(), &mut out), Ok(()));
        assert_eq!(out, payload);
        capacities.push((compressed.capacity(), out.capacity()));
    }
    assert_eq!(capacities[1], capacities[2]);
}

fn payloads() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        prop::collection::vec(prop::sample::select(b"abc{}\":,".to_vec()), 0..2_000),
        (any::<u8>(), 0..70_000_usize).prop_map(|(byte, times)| vec![byte; times]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_at_every_level_and_window(
        payload in payloads(), level in 0..=10_u8, window_bits in 8..=16_u8,
    ) {
        let mut compressed = Vec::new();
        let mut deflater = Deflater::new(level, window_bits);
        deflater.deflate(b"something else before", &mut compressed);
        compressed.clear();
        deflater.deflate(&payload, &mut compressed);
        prop_assert!(compressed.len() as u64 <= deflated_bytes_max(payload.len(), 1));
        prop_assert_eq!(inflated(&compressed, payload.len()), Ok(payload.clone()));
        if let Some(less) = payload.len().checked_sub(1) {
            prop_assert_eq!(inflated(&compressed, less), Err(InflateError::TooLarge));
        }
        let window = 1 << deflater.window_bits();
        prop_assert!(naive::farthest_reference(&compressed) <= window);
    }

    #[test]
    fn agrees_with_the_twin_on_any_bytes(
        bytes in prop::collection::vec(any::<u8>(), 0..40), limit in 0..300_usize,
    ) {
        let _ = inflated(&bytes, limit);
    }

    #[test]
    fn agrees_with_the_twin_on_a_message_with_one_byte_changed(
        payload in payloads(), level in 1..=9_u8, position: prop::sample::Index, byte: u8,
    ) {
        let mut compressed = Vec::new();
        Deflater::new(level, WINDOW_BITS_MAX).deflate(&payload, &mut compressed);
        let position = position.index(compressed.len());
        compressed[position] = byte;
        let _ = inflated(&compressed, payload.len() + 10);
    }

    #[test]
    fn a_buffer_of_any_room_gives_the_same_message(
        payload in payloads(), room in 0..3_000_usize,
    ) {
        let compressed = deflated(&payload);
        let mut out = Vec::with_capacity(room);
        prop_assert_eq!(Inflater::new().inflate(&compressed, payload.len(), &mut out), Ok(()));
        prop_assert_eq!(out, payload);
    }
}
