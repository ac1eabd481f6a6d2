//! The checkpoint as the bus keeps it: whose route it is, how often it changed hands, and the cursor. Knows its bytes, and no
//! bus.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    random::unpredictable,
    state::{BusCheckpoint, Cursor, RecentIds},
};

/// What is written, and the newest that is read.
const VERSION: u32 = 1;

/// What a record may count to: whoever goes on from it can still count.
const COUNT_MAX: u64 = u64::MAX / 2;

/// The checkpoint of a route in its bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CheckpointRecord {
    /// Who wrote it.
    pub(super) owner: Owner,
    /// How often the route was taken over: whoever owns it has a higher one than all before.
    pub(super) epoch: u64,
    /// How often the checkpoint moved, over all owners.
    pub(super) generation: u64,
    /// Whether the owner has stopped and left the route to whoever comes.
    pub(super) is_released: bool,
    pub(super) cursor: Cursor,
}

/// Who writes for a route: one run of one daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Owner {
    /// Unique to the run.
    id: String,
    /// For people.
    host: String,
    /// For people.
    pid: u32,
}

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordProblem {
    /// It is no checkpoint.
    #[error("it is not what oktabus writes")]
    Content(#[from] serde_json::Error),
    /// Another version wrote it.
    #[error("it has version {0}, and this version of oktabus knows versions up to {VERSION}")]
    Newer(u32),
    /// It belongs to something else.
    #[error("it is of the route {0}")]
    OtherRoute(String),
    /// The parts do not fit together.
    #[error("its recent events do not fit their number")]
    Recent,
    /// Nothing counts so far.
    #[error("it counts to {0}, which no route has ever come to")]
    Count(u64),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u32,
    route: String,
    owner: Owner,
    epoch: u64,
    generation: u64,
    is_released: bool,
    committed_at: Timestamp,
    cursor: Cursor,
    recent_count: u64,
    recent: String,
}

/// Read first, so that a newer version is known by its number and not by what it added.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// The generations that this run has given to its records. None is given twice: where the bus is set back to an older time, two
/// records of one run would be taken for the same.
#[derive(Debug, Default)]
pub(super) struct Generations {
    last: u64,
}

impl Generations {
    /// The next one, where the bus shows `found`.
    pub(super) fn next_after(&mut self, found: u64) -> u64 {
        self.last = self.last.max(found) + 1;
        self.last
    }
}

impl Owner {
    /// No two runs have the same.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// A new run on this machine.
    pub(crate) fn of_this_run() -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname");
        let host = host.map_or_else(|_| "unknown".to_owned(), |host| host.trim().to_owned());
        Self { id: format!("{:032x}", unpredictable()), host, pid: std::process::id() }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "process {} on {}", self.pid, self.host)
    }
}

impl CheckpointRecord {
    /// Which of the route's checkpoints it is. Of the place, the record knows nothing.
    pub(super) fn number(&self) -> BusCheckpoint {
        let owner = Some(self.owner.id.clone());
        BusCheckpoint { owner, epoch: self.epoch, generation: self.generation, place: None }
    }

    /// Whether it is the one that was noted as `checkpoint`.
    pub(super) fn is(&self, checkpoint: &BusCheckpoint) -> bool {
        let BusCheckpoint { owner, epoch, generation, .. } = checkpoint;
        let is_of_owner = owner.as_ref().is_none_or(|owner| *owner == self.owner.id);
        is_of_owner && (self.epoch, self.generation) == (*epoch, *generation)
    }

    /// The bytes for the route with this identity.
    pub(super) fn to_bytes(&self, route: &str) -> Result<Bytes, RecordProblem> {
        let form = Form {
            version: VERSION,
            route: route.to_owned(),
            owner: self.owner.clone(),
            epoch: self.epoch,
            generation: self.generation,
            is_released: self.is_released,
            committed_at: self.cursor.advanced_at,
            cursor: self.cursor.clone(),
            recent_count: self.cursor.recent.count(),
            recent: self.cursor.recent.to_hex(),
        };
        Ok(serde_json::to_vec(&form)?.into())
    }

    /// The record out of its bytes, if they are of the route with this identity.
    pub(super) fn from_bytes(bytes: &[u8], route: &str) -> Result<Self, RecordProblem> {
        let Version { version } = serde_json::from_slice(bytes)?;
        if version > VERSION {
            return Err(RecordProblem::Newer(version));
        }
        let form: Form = serde_json::from_slice(bytes)?;
        if form.route != route {
            return Err(RecordProblem::OtherRoute(form.route));
        }
        let Form { owner, epoch, generation, is_released, mut cursor, recent_count, recent, .. } = form;
        let highest = epoch.max(generation).max(cursor.delivered);
        if highest > COUNT_MAX {
            return Err(RecordProblem::Count(highest));
        }
        cursor.recent = RecentIds::from_hex(recent_count, &recent).ok_or(RecordProblem::Recent)?;
        Ok(Self { owner, epoch, generation, is_released, cursor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: &str = "acme.okta.com/log/siem";

    fn record() -> CheckpointRecord {
        let mut cursor = Cursor::for_tests("https://acme.okta.com/api/v1/logs?after=1");
        cursor.recent.remember("uuid-1");
        CheckpointRecord { owner: Owner::of_this_run(), epoch: 3, generation: 70, is_released: false, cursor }
    }

    fn told(bytes: &[u8]) -> String {
        CheckpointRecord::from_bytes(bytes, ROUTE).unwrap_err().to_string()
    }

    #[test]
    fn a_record_is_read_back() {
        let record = record();
        let bytes = record.to_bytes(ROUTE).unwrap();
        assert_eq!(CheckpointRecord::from_bytes(&bytes, ROUTE).unwrap(), record);
    }

    #[test]
    fn what_is_no_checkpoint_of_the_route_is_refused_with_the_reason() {
        let bytes = record().to_bytes("acme.okta.com/log/other").unwrap();
        assert!(told(&bytes).contains("of the route acme.okta.com/log/other"));
        for junk in [&b""[..], b"junk", b"{}", b"[1]", b"\xff\xfe"] {
            assert!(told(junk).contains("not what oktabus writes"), "{junk:?}");
        }
        let text = String::from_utf8(record().to_bytes(ROUTE).unwrap().to_vec()).unwrap();
        let newer = text.replace(r#""version":1,"#, r#""version":2,"added":true,"#);
        assert!(told(newer.as_bytes()).contains("version 2"));
        let counted = text.replace(r#""generation":70"#, &format!(r#""generation":{}"#, u64::MAX));
        assert!(
            told(counted.as_bytes()).contains("counts to 18446744073709551615"),
            "{}",
            told(counted.as_bytes())
        );
        let other_count = text.replace(r#""recent_count":1"#, r#""recent_count":2"#);
        assert!(told(other_count.as_bytes()).contains("do not fit"));
        assert!(told(&text.as_bytes()[..text.len() / 2]).contains("not what oktabus writes"));
    }

    #[test]
    fn no_generation_is_given_twice_where_the_bus_is_set_back() {
        let mut generations = Generations::default();
        let given = [7, 8, 3, 4, 20].map(|found| generations.next_after(found));
        assert_eq!(given, [8, 9, 10, 11, 21]);
    }

    #[test]
    fn no_two_runs_are_the_same_owner() {
        assert_ne!(Owner::of_this_run(), Owner::of_this_run());
    }
}
