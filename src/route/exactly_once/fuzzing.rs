//! What is fuzzed of delivery exactly once. See `crate::fuzzing`.

use super::record::CheckpointRecord;

/// What a refusal may say beyond what is in the record.
const TOLD_BYTES_MAX: usize = 1 << 10;

/// What a bus has in place of a checkpoint: a checkpoint that is written as it was read, or refused with a reason.
pub fn checkpoint(data: &[u8]) {
    const ROUTE: &str = "acme.okta.com/log/siem";
    match CheckpointRecord::from_bytes(data, ROUTE) {
        Ok(record) => {
            let Ok(written) = record.to_bytes(ROUTE) else { unreachable!("what is read can be written") };
            assert_eq!(CheckpointRecord::from_bytes(&written, ROUTE).ok(), Some(record), "{written:?}");
            let of_other = CheckpointRecord::from_bytes(&written, "acme.okta.com/log/other");
            assert!(of_other.is_err(), "it is another route's");
        }
        Err(problem) => {
            let told = problem.to_string();
            assert!(!told.is_empty() && told.len() <= TOLD_BYTES_MAX + data.len(), "{told}");
        }
    }
}
