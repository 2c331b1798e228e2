//! DNS messages of any octets, in frames that are right, through the packet path.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz_cases::message(input));
