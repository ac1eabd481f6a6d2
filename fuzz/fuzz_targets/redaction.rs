#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| okta_system_log::fuzzing::redaction(data));
