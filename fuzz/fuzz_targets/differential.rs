//! The packet path's reader of queries, and hickory-proto's.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz_cases::differential(input));
