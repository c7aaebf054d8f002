//! See the library's function of the same name.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::wire_header(bytes));
