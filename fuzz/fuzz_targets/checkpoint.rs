#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| oktabus::fuzzing::checkpoint(data));
