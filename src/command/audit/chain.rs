//! The chain of an audit: each record has a number, the hash of the one before it, and a hash of its own. Pure.
//!
//! What is about to be written is kept in the state before it is, so that a crash leaves neither a gap nor two records of
//! one number, and so that records taken off the end are missed.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::state::CONTENT_MAX_BYTES;

/// Stands between what a record's hash is of and the hash.
const BEFORE_HASH: &str = ",\"hash\":\"";
const AFTER_HASH: &str = "\"}";
/// The digits of a SHA-256.
pub(super) const HASH_DIGITS: usize = 64;
/// How much of what is being written is kept, as JSON in a note of the state, which has the head of the chain too.
const KEPT_BYTES_MAX: usize = CONTENT_MAX_BYTES - (1 << 10);
/// How much a record grows at most when it gets its place: three members and two hashes.
const PLACE_BYTES_MAX: usize = 256;
/// How many records back one may stand that stands twice: more than are written at a time.
pub(super) const REPEATED_WITHIN: usize = 256;

/// The last record of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// Its number: the first has 1, and 0 is before all.
    pub sequence: u64,
    /// Its hash: SHA-256 in hexadecimal; zeros before all.
    pub hash: String,
}

/// What the state keeps of a chain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedChain {
    /// The last record.
    #[serde(flatten)]
    pub head: ChainHead,
    /// The records that were being written when this was kept, the last one at the end. None if they are too large to keep:
    /// a crash in that moment then shows as a gap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

/// The end of a chain, to which records are added.
#[derive(Debug, Default)]
pub struct AuditChain {
    head: ChainHead,
}

/// Records that have their places in the chain. To be kept first, and then written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedBatch {
    /// The lines, without their ends.
    pub lines: Vec<String>,
    /// The number of the first.
    pub first_sequence: u64,
    /// What the state is to keep before they are written.
    pub kept: SavedChain,
}

/// How many records may be written together, so that all of them are kept: at least one, and fewer than may stand twice.
#[derive(Debug)]
pub struct BatchRoom {
    bytes_left: usize,
    is_empty: bool,
}

impl Default for BatchRoom {
    fn default() -> Self {
        Self { bytes_left: KEPT_BYTES_MAX, is_empty: true }
    }
}

impl BatchRoom {
    /// Takes `record` up into the batch, if it still has room for it.
    pub fn takes(&mut self, record: &str) -> bool {
        let left = self.bytes_left.checked_sub(kept_bytes(record) + PLACE_BYTES_MAX);
        let takes = self.is_empty || left.is_some();
        (self.bytes_left, self.is_empty) = (left.unwrap_or(0), false);
        takes
    }
}

/// How large a line is as a string in JSON, with the comma behind it.
fn kept_bytes(line: &str) -> usize {
    let escaped = line.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
    line.len() + escaped + "\"\",".len()
}

impl Default for ChainHead {
    fn default() -> Self {
        Self { sequence: 0, hash: "0".repeat(HASH_DIGITS) }
    }
}

impl AuditChain {
    /// The chain that ends as the state says.
    pub fn after(kept: &SavedChain) -> Self {
        Self { head: kept.head.clone() }
    }

    /// Gives `records`, JSON objects with members, their places in the chain.
    pub fn seal(&mut self, records: &[String]) -> SealedBatch {
        let first_sequence = self.head.sequence + 1;
        let lines: Vec<_> = records.iter().map(|record| self.seal_one(record)).collect();
        let is_small = lines.iter().map(|line| kept_bytes(line)).sum::<usize>() <= KEPT_BYTES_MAX;
        let kept = if is_small { lines.clone() } else { Vec::new() };
        SealedBatch { lines, first_sequence, kept: SavedChain { head: self.head.clone(), lines: kept } }
    }

    fn seal_one(&mut self, record: &str) -> String {
        let sequence = self.head.sequence + 1;
        let members = record.strip_suffix('}').unwrap_or(record);
        let mut line = format!("{members},\"sequence\":{sequence},\"prev\":\"{}\"", self.head.hash);
        let hash = hash(&line);
        line.push_str(BEFORE_HASH);
        line.push_str(&hash);
        line.push_str(AFTER_HASH);
        self.head = ChainHead { sequence, hash };
        line
    }
}

impl SavedChain {
    /// The records that may not have been written, with the number of the first.
    pub fn unwritten(&self) -> Option<SealedBatch> {
        let count = u64::try_from(self.lines.len()).ok().filter(|count| *count > 0)?;
        let first_sequence = (self.head.sequence + 1).checked_sub(count)?;
        Some(SealedBatch { lines: self.lines.clone(), first_sequence, kept: self.clone() })
    }
}

/// SHA-256 of a record's line up to its member `hash`, which has the hash of the record before it inside.
fn hash(covered: &str) -> String {
    Sha256::digest(covered).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A line of an audit, as far as its place in the chain goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadLine {
    /// A record in its place.
    Chained(Link),
    /// A record whose bytes are not those that its hash is of.
    Changed(LinePosition),
    /// JSON without a place in the chain.
    Unchained,
    /// No JSON: what a crash left of a line, perhaps.
    Fragment,
}

/// A record's place, which its hash stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) place: LinePosition,
    pub(super) prev: String,
    pub(super) hash: String,
}

/// Where a record claims to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LinePosition {
    /// The name of the commands, each of which has a chain of its own.
    pub(super) commands: String,
    pub(super) sequence: u64,
}

/// Reads one line, without its end.
pub(super) fn read_line(line: &str) -> ReadLine {
    #[derive(Deserialize)]
    struct Members {
        commands: String,
        sequence: u64,
        prev: String,
        hash: String,
    }

    let Ok(members) = serde_json::from_str::<Members>(line) else {
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok();
        return if is_json { ReadLine::Unchained } else { ReadLine::Fragment };
    };
    let place = LinePosition { commands: members.commands, sequence: members.sequence };
    let covered = line.strip_suffix(AFTER_HASH).and_then(|line| line.rsplit_once(BEFORE_HASH));
    match covered {
        Some((covered, written)) if written == members.hash && hash(covered) == written => {
            ReadLine::Chained(Link { place, prev: members.prev, hash: members.hash })
        }
        _ => ReadLine::Changed(place),
    }
}

/// The records read last: one that is written again after a failure is no other.
#[derive(Debug, Default)]
pub(super) struct RecentLinks(VecDeque<(u64, String)>);

impl RecentLinks {
    pub(super) fn has(&self, link: &Link) -> bool {
        self.0.iter().any(|(sequence, hash)| *sequence == link.place.sequence && *hash == link.hash)
    }

    pub(super) fn push(&mut self, link: &Link) {
        if self.0.len() == REPEATED_WITHIN {
            self.0.pop_front();
        }
        self.0.push_back((link.place.sequence, link.hash.clone()));
    }
}
