//! Random streams of frames, on which the decoder must agree with the naive decoder.

use proptest::prelude::*;

use super::*;

/// One frame of a random stream: mostly valid, sometimes with an error.
#[derive(Clone, Debug)]
struct Frame {
    first: u8,
    payload: Vec<u8>,
    masked: bool,
    lengthened: bool,
}

impl Frame {
    fn write(&self, role: Role, out: &mut Vec<u8>) {
        let masked = self.masked == (role == Role::Server);
        let mask_bit = if masked { 0x80 } else { 0 };
        let length = self.payload.len();
        out.push(self.first);
        match (length, self.lengthened) {
            (0..126, false) => out.push(mask_bit | length as u8),
            (0..65_536, _) => {
                out.push(mask_bit | 126);
                out.extend_from_slice(&(length as u16).to_be_bytes());
            }
            (_, _) => {
                out.push(mask_bit | 127);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        let key = if masked { KEY } else { [0; 4] };
        if masked {
            out.extend_from_slice(&key);
        }
        out.extend(self.payload.iter().enumerate().map(|(index, byte)| byte ^ key[index % 4]));
    }
}

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let first = prop_oneof![
        40 => prop::sample::select(vec![
            0x81_u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x80, 0x89, 0x8A, 0xC1, 0x42,
        ]),
        3 => Just(0x88_u8),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        10 => "[a-c€😀]{0,12}".prop_map(String::into_bytes),
        2 => "[a-c€😀]{100,140}".prop_map(String::into_bytes),
        2 => prop::collection::vec(any::<u8>(), 0..6),
        2 => (1000..1020_u16, "[a-ö]{0,4}")
            .prop_map(|(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat()),
    ];
    let rarely = |weight| prop_oneof![weight => Just(false), 1 => Just(true)];
    let frame = (first, payload, rarely(60), rarely(60)).prop_map(
        |(first, payload, unmasked, lengthened)| Frame {
            first,
            payload,
            masked: !unmasked,
            lengthened,
        },
    );
    prop::collection::vec(frame, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn agrees_with_the_twin_however_the_stream_is_cut(
        frames in frames(), server: bool,
        message_bytes_max in 0..200_usize, fragments_max in 1..6_u32,
    ) {
        let role = if server { Role::Server } else { Role::Client };
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| frame.write(role, &mut bytes));
        check_against_the_twin(role, DecoderLimits { message_bytes_max, fragments_max }, &bytes);
    }

    #[test]
    fn agrees_with_the_twin_on_any_bytes(
        bytes in prop::collection::vec(any::<u8>(), 0..40), server: bool,
    ) {
        let role = if server { Role::Server } else { Role::Client };
        check_against_the_twin(role, UNLIMITED, &bytes);
    }
}
