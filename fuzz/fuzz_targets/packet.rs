//! Frames of any octets through the packet path.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz_cases::packet(input));
