//! Masking of payloads (RFC 6455 section 5.3): every byte is XORed with the byte of the masking key
//! at the same position modulo four. Doing it a second time undoes it.

/// Masks or unmasks `payload` in place; its first byte is XORed with `mask[0]` (RFC 6455 section
/// 5.3).
#[inline]
pub fn apply_mask(payload: &mut [u8], mask: [u8; 4]) {
    let key = u32::from_ne_bytes(mask);
    let wide_key = u64::from(key) << 32 | u64::from(key);
    // The compiler turns this simple loop into vector instructions, as wide as the target has them.
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide_key).to_ne_bytes();
    }
    // At most seven bytes remain: half a word, and then single bytes.
    let (halves, tail) = rest.as_chunks_mut::<4>();
    for half in halves {
        *half = (u32::from_ne_bytes(*half) ^ key).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(mask) {
        *byte ^= key;
    }
}

/// Masks or unmasks a piece of a payload in place, `offset` bytes from the start of that payload
/// (RFC 6455 section 5.3).
pub fn apply_mask_at(piece: &mut [u8], mask: [u8; 4], offset: usize) {
    apply_mask(piece, rotate_mask(mask, offset));
}

/// Returns the masking key rotated to the byte at `offset` of the payload.
#[inline]
pub(super) const fn rotate_mask(mask: [u8; 4], offset: usize) -> [u8; 4] {
    // In a little-endian number byte 0 is lowest: rotated right by 8 bits, byte 1 comes first.
    u32::from_le_bytes(mask).rotate_right(8 * (offset % 4) as u32).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The algorithm as section 5.3 writes it: `transformed-octet-i = original-octet-i XOR
    /// masking-key-octet-(i MOD 4)`.
    fn apply_mask_byte_by_byte(payload: &mut [u8], mask: [u8; 4], offset: usize) {
        for (index, byte) in payload.iter_mut().enumerate() {
            *byte ^= mask[(offset + index) % 4];
        }
    }

    #[test]
    fn unmasks_the_hello_of_rfc_6455_section_5_7() {
        let mut payload = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        apply_mask(&mut payload, [0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(&payload, b"Hello");
    }

    #[test]
    fn agrees_with_the_byte_loop_at_every_length_offset_and_alignment() {
        let mask = [0x01, 0x80, 0x5a, 0xff];
        let bytes: Vec<u8> = (0..=255).cycle().take(200).collect();
        for start in 0..16 {
            for end in start..bytes.len() {
                let (mut fast, mut slow) = (bytes.clone(), bytes.clone());
                apply_mask_at(&mut fast[start..end], mask, start);
                apply_mask_byte_by_byte(&mut slow[start..end], mask, start);
                assert_eq!(fast, slow, "{start}..{end}");
            }
        }
    }

    proptest! {
        #[test]
        fn twice_is_the_original_however_it_is_cut(
            payload in prop::collection::vec(any::<u8>(), 0..600),
            mask: [u8; 4],
            cut in 0..600_usize,
        ) {
            let cut = cut.min(payload.len());
            let mut masked = payload.clone();
            apply_mask(&mut masked, mask);
            let (front, back) = masked.split_at_mut(cut);
            apply_mask_at(front, mask, 0);
            apply_mask_at(back, mask, cut);
            prop_assert_eq!(masked, payload);
        }
    }
}
