//! A whole server of one to four reactors in a simulated world. See `server`.
//!
//! Input: bytes for its limits and its network, then a program for clients, reactors and time.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fanfare_fuzz::server::run(data));
