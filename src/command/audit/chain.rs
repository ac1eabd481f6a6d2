//! The chain of an audit: each record has a number, the hash of the previous one, and its own hash. Pure.
//!
//! Records are saved in the state before they are written, so that a crash leaves neither a gap nor two records with
//! one number, and so that records removed from the end are missed.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::state::CONTENT_MAX_BYTES;

/// The text between the hashed part of a record and its hash.
const BEFORE_HASH: &str = ",\"hash\":\"";
const AFTER_HASH: &str = "\"}";
/// The digits of a SHA-256.
pub(super) const HASH_DIGITS: usize = 64;
/// How much of the records being written is saved, as JSON in a note of the state together with the head of the chain.
const SAVED_BYTES_MAX: usize = CONTENT_MAX_BYTES - (1 << 10);
/// By how much the chain's members and hashes enlarge a record at most.
const PLACE_BYTES_MAX: usize = 256;
/// How far apart two copies of a record may be: more than are written at a time.
pub(super) const REPEATED_WITHIN: usize = 256;

/// The last record of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// Its number: the first record has 1; 0 is before it.
    pub sequence: u64,
    /// Its hash: SHA-256 in hexadecimal; zeros before the first record.
    pub hash: String,
}

/// What the state saves of a chain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedChain {
    /// The last record.
    #[serde(flatten)]
    pub head: ChainHead,
    /// The records that were being written when this was saved, in order. Empty if they are too large to save: a crash
    /// at that moment then shows as a gap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

/// The end of a chain, at which records are added.
#[derive(Debug, Default)]
pub struct AuditChain {
    head: ChainHead,
}

/// Records with their numbers and hashes. To be saved first, then written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedBatch {
    /// The lines, without line ends.
    pub lines: Vec<String>,
    /// The number of the first line.
    pub first_sequence: u64,
    /// What the state saves before they are written.
    pub saved: SavedChain,
}

/// The room in a batch, so that all of it can be saved: at least one record, and fewer than may repeat.
#[derive(Debug)]
pub struct BatchRoom {
    bytes_left: usize,
    is_empty: bool,
}

impl Default for BatchRoom {
    fn default() -> Self {
        Self { bytes_left: SAVED_BYTES_MAX, is_empty: true }
    }
}

impl BatchRoom {
    /// Adds `record` to the batch, if there is room.
    pub fn takes(&mut self, record: &str) -> bool {
        let left = self.bytes_left.checked_sub(saved_bytes(record) + PLACE_BYTES_MAX);
        let takes = self.is_empty || left.is_some();
        (self.bytes_left, self.is_empty) = (left.unwrap_or(0), false);
        takes
    }
}

/// The size of a line as a JSON string with a comma.
fn saved_bytes(line: &str) -> usize {
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
    pub fn after(saved: &SavedChain) -> Self {
        Self { head: saved.head.clone() }
    }

    /// Adds `records`, JSON objects with members, to the chain.
    pub fn seal(&mut self, records: &[String]) -> SealedBatch {
        let first_sequence = self.head.sequence + 1;
        let lines: Vec<_> = records.iter().map(|record| self.seal_one(record)).collect();
        let is_small = lines.iter().map(|line| saved_bytes(line)).sum::<usize>() <= SAVED_BYTES_MAX;
        let saved = if is_small { lines.clone() } else { Vec::new() };
        SealedBatch { lines, first_sequence, saved: SavedChain { head: self.head.clone(), lines: saved } }
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

impl SealedBatch {
    /// The record before the first.
    pub fn before(&self) -> Option<ChainHead> {
        match read_line(self.lines.first()?) {
            ReadLine::Chained(Link { place, prev, .. }) => {
                Some(ChainHead { sequence: place.sequence.checked_sub(1)?, hash: prev })
            }
            _ => None,
        }
    }
}

impl SavedChain {
    /// The records that may not have been written, with the number of the first.
    pub fn unwritten(&self) -> Option<SealedBatch> {
        let count = u64::try_from(self.lines.len()).ok().filter(|count| *count > 0)?;
        let first_sequence = (self.head.sequence + 1).checked_sub(count)?;
        Some(SealedBatch { lines: self.lines.clone(), first_sequence, saved: self.clone() })
    }
}

/// SHA-256 of a record's line up to its member `hash`. The line contains the hash of the previous record.
fn hash(covered: &str) -> String {
    Sha256::digest(covered).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A line of an audit, as far as the chain is concerned.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadLine {
    /// A record with a valid hash.
    Chained(Link),
    /// A record whose bytes do not match its hash.
    Changed(LinePosition),
    /// JSON without chain members.
    Unchained,
    /// Not JSON: perhaps the rest of a line after a crash.
    Fragment,
}

/// The chain members of a record, with a valid hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) place: LinePosition,
    pub(super) prev: String,
    pub(super) hash: String,
    /// Records up to this one may be missing: their files were removed because of their age or size.
    pub(super) removed: Option<ChainHead>,
}

/// The position that a record claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LinePosition {
    /// The name of the section: each has its own chain.
    pub(super) commands: String,
    pub(super) sequence: u64,
}

/// Reads one line, without its line end.
pub(super) fn read_line(line: &str) -> ReadLine {
    #[derive(Deserialize)]
    struct Members {
        commands: String,
        sequence: u64,
        prev: String,
        hash: String,
        removed: Option<ChainHead>,
    }

    let Ok(members) = serde_json::from_str::<Members>(line) else {
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok();
        return if is_json { ReadLine::Unchained } else { ReadLine::Fragment };
    };
    let Members { commands, sequence, prev, hash: written_hash, removed } = members;
    let place = LinePosition { commands, sequence };
    let covered = line.strip_suffix(AFTER_HASH).and_then(|line| line.rsplit_once(BEFORE_HASH));
    match covered {
        Some((covered, written)) if written == written_hash && hash(covered) == written => {
            ReadLine::Chained(Link { place, prev, hash: written_hash, removed })
        }
        _ => ReadLine::Changed(place),
    }
}

/// The latest records, to recognise one that was written again after a failure.
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
