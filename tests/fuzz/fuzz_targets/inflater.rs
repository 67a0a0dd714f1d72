//! Fuzz target: reads a compressed message into buffers of any room, and compares the reader with
//! its naive twin. What could be read is compressed again and read again.
//!
//! Input: one byte for the room of the buffer, one for the limit, one for level and window, then
//! the compressed message.
#![no_main]

use fanfare::protocol::{Deflater, InflateError, Inflater, deflated_bytes_max};
use libfuzzer_sys::fuzz_target;

#[path = "../../../src/protocol/deflate/naive.rs"]
mod naive;

fuzz_target!(|data: &[u8]| {
    let [room, limit, how, compressed @ ..] = data else { return };
    let limit = usize::from(*limit) * 64;
    let mut inflater = Inflater::new();
    let mut message = Vec::with_capacity(usize::from(*room));
    let read = inflater.inflate(compressed, limit, &mut message);
    match naive::inflate(compressed, limit) {
        Ok(expected) => assert_eq!((read, &message), (Ok(()), &expected)),
        Err(error) => {
            assert_eq!(read.map_err(|error| format!("{error:?}")), Err(error.to_owned()));
            assert!(
                message.len() <= limit.max(usize::from(*room)) + 1
                    || read == Err(InflateError::Corrupt)
            );
            return;
        }
    }
    let mut again = Vec::new();
    Deflater::new(how % 10, 9 + how / 10 % 7).deflate(&message, &mut again);
    assert!(again.len() as u64 <= deflated_bytes_max(message.len(), 1));
    let mut read_again = Vec::new();
    assert_eq!(inflater.inflate(&again, message.len(), &mut read_again), Ok(()));
    assert_eq!(read_again, message);
});
