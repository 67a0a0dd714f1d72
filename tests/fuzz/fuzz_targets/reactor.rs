//! Fuzz target: a whole server of one to four reactors in a simulated world. See the module
//! `server`.
//!
//! Input: bytes for the limits and the network, then a program: what clients do, which reactor has
//! a turn, and when time passes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fanfare_fuzz::server::run(data));
