//! Entries of any content: made, read, damaged and mixed.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz_cases::entry(input));
