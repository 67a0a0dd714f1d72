use super::*;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

#[test]
fn is_at_most_forty_bytes() {
    assert!(size_of::<Decoder>() <= 40, "{}", size_of::<Decoder>());
}

#[test]
fn lends_a_whole_message_from_the_input() {
    let mut input = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58, 0x99];
    let payload_at = input[6..].as_ptr();
    let mut assembly = Vec::new();
    let mut decoder = Decoder::new(Role::Server);
    let decoded = decoder.decode(&DecoderLimits::UNLIMITED, &mut input, &mut assembly).unwrap();
    assert_eq!(decoded.consumed, 11);
    let Some(Event::Message(message)) = decoded.event else { panic!("{decoded:?}") };
    assert_eq!(message.as_text(), Some("Hello"));
    assert_eq!(message.payload().as_ptr(), payload_at);
    assert_eq!(assembly.capacity(), 0);
    let _ = KEY;
}
