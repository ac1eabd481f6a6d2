//! Tracks which offsets are in hand, put back, done and committed, and when reading must pause. Knows nothing of
//! Kafka's client and does no I/O.
//!
//! A commit says that everything below it is done, so it stays below the first offset that is not. Each assignment of a
//! partition is separate: a record of an earlier assignment may still end, but no longer counts.

use std::collections::{BTreeMap, VecDeque};

use super::record::Record;

/// The most delivered and unsettled records over all partitions.
pub(super) const IN_HAND_MAX: usize = 256;
/// The most records that are put back over all partitions: the same as for a JetStream consumer.
const PUT_BACK_MAX: usize = 4_096;
/// The most memory of these records together.
const PUT_BACK_BYTES_MAX: usize = 64 << 20;
/// The most offsets of one partition from the first that is not done to the last that was read. After a crash all of
/// them are delivered again. More than Okta's rate limits allow in the ten minutes for which a command is put back at
/// most.
const SPAN_MAX: usize = 10_000;

/// A paused partition resumes below this span, so that it does not pause and resume with every record.
const SPAN_RESUME: usize = SPAN_MAX / 8 * 7;
const IN_HAND_RESUME: usize = IN_HAND_MAX / 2;

/// One received record: its position, and the assignment by which it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) partition: i32,
    assignment: u64,
    pub(super) offset: i64,
}

/// All assigned partitions.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    partitions: BTreeMap<i32, Partition>,
    /// The number of assignments so far.
    assignments: u64,
    /// Unsettled records, including those of earlier assignments.
    in_hand: usize,
    put_back: usize,
    put_back_bytes: usize,
    /// No partition is read until there is room again.
    is_full: bool,
}

#[derive(Debug, Default)]
struct Partition {
    assignment: u64,
    /// The offsets from the first that is not done, in order.
    received: VecDeque<Received>,
    highest: Option<i64>,
    /// All received records below this are done.
    done_below: Option<i64>,
    /// The last commit that was sent and has not failed.
    committed: Option<i64>,
    is_paused: bool,
    /// It is not read until its first open record is done.
    is_far_ahead: bool,
    /// It is about to be revoked.
    is_leaving: bool,
}

#[derive(Debug)]
struct Received {
    offset: i64,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    /// Delivered.
    InHand,
    /// Delivered, and being executed.
    Begun,
    /// To be delivered again.
    PutBack(Box<Record>),
    Done,
}

/// Partitions to pause, and to resume.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) pause: Vec<i32>,
    pub(super) resume: Vec<i32>,
}

/// Why a partition is not read, although the engine has room.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standstill {
    /// The maximum of records is put back.
    PutBack,
    /// The maximum of records was read after this one, which is not done.
    Behind { partition: i32, offset: i64, is_put_back: bool },
}

impl Offsets {
    /// The partition is assigned.
    pub(super) fn assign(&mut self, partition: i32) {
        self.revoke(partition);
        self.assignments += 1;
        self.partitions.insert(partition, Partition { assignment: self.assignments, ..Partition::default() });
    }

    /// The partition is revoked.
    pub(super) fn revoke(&mut self, partition: i32) {
        let revoked = self.partitions.remove(&partition);
        for received in revoked.into_iter().flat_map(|partition| partition.received) {
            if let Progress::PutBack(record) = received.progress {
                self.put_back -= 1;
                self.put_back_bytes -= record.bytes();
            }
        }
    }

    /// All partitions are revoked.
    pub(super) fn revoke_all(&mut self) {
        self.partitions.clear();
        (self.put_back, self.put_back_bytes) = (0, 0);
    }

    /// Records that `offset` was received and is delivered; none if the partition is not assigned.
    pub(super) fn receive(&mut self, partition: i32, offset: i64) -> Option<Position> {
        // An offset is repeated only if the partition lost its end, and then it stands for another record.
        let known = self.partitions.get(&partition)?;
        if known.highest.is_some_and(|highest| offset <= highest) {
            let is_paused = known.is_paused;
            self.assign(partition);
            self.partitions.get_mut(&partition)?.is_paused = is_paused;
        }
        let known = self.partitions.get_mut(&partition)?;
        known.highest = Some(offset);
        known.received.push_back(Received { offset, progress: Progress::InHand });
        self.in_hand += 1;
        Some(Position { partition, assignment: known.assignment, offset })
    }

    /// Marks the record as being executed, if it still belongs to this consumer. May be called again.
    pub(super) fn begin(&mut self, position: Position) -> bool {
        let is_leaving = !self.is_open(position);
        match self.progress_of(position) {
            Some(Progress::Begun) => true,
            Some(progress @ Progress::InHand) if !is_leaving => {
                *progress = Progress::Begun;
                true
            }
            Some(Progress::InHand | Progress::PutBack(_) | Progress::Done) | None => false,
        }
    }

    /// Marks the record, which was in hand, as done.
    pub(super) fn done(&mut self, position: Position) {
        self.in_hand -= 1;
        let Some(progress) = self.progress_of(position) else { return };
        *progress = Progress::Done;
        let Some(partition) = self.partitions.get_mut(&position.partition) else { return };
        while let Some(Received { offset, progress: Progress::Done }) = partition.received.front() {
            partition.done_below = Some(offset + 1);
            partition.received.pop_front();
        }
    }

    /// Keeps a record, which was in hand, to be delivered again. False if it belongs to another consumer by now.
    pub(super) fn put_back(&mut self, position: Position, record: Record) -> bool {
        self.in_hand -= 1;
        let bytes = record.bytes();
        let Some(progress) = self.progress_of(position) else { return false };
        *progress = Progress::PutBack(Box::new(record));
        self.put_back += 1;
        self.put_back_bytes += bytes;
        true
    }

    /// Delivers a record again that was put back; none if it belongs to another consumer by now.
    pub(super) fn hand_out_again(&mut self, position: Position) -> Option<Record> {
        if !self.is_open(position) {
            return None;
        }
        let progress = self.progress_of(position)?;
        let record = match std::mem::replace(progress, Progress::InHand) {
            Progress::PutBack(record) => *record,
            other => {
                *progress = other;
                return None;
            }
        };
        self.in_hand += 1;
        self.put_back -= 1;
        self.put_back_bytes -= record.bytes();
        Some(record)
    }

    /// The partition is about to be revoked: no further record of it is started.
    pub(super) fn leave(&mut self, partition: i32) {
        if let Some(partition) = self.partitions.get_mut(&partition) {
            partition.is_leaving = true;
        }
    }

    /// Whether the record may still be started here.
    pub(super) fn is_open(&self, position: Position) -> bool {
        let partition = self.partitions.get(&position.partition);
        partition
            .is_some_and(|partition| partition.assignment == position.assignment && !partition.is_leaving)
    }

    /// Whether a record of these partitions is being executed.
    pub(super) fn has_begun(&self, partitions: &[i32]) -> bool {
        let partitions = partitions.iter().filter_map(|number| self.partitions.get(number));
        let mut received = partitions.flat_map(|partition| &partition.received);
        received.any(|received| matches!(received.progress, Progress::Begun))
    }

    /// Whether a record is delivered, and may soon be done.
    pub(super) fn has_in_hand(&self) -> bool {
        self.in_hand > 0
    }

    /// The commits that are due, each as partition and the next offset. They count as committed from here on.
    pub(super) fn take_commits(&mut self) -> Vec<(i32, i64)> {
        let commits = self.partitions.iter_mut().filter_map(|(number, partition)| {
            let below = partition.done_below.filter(|below| partition.committed < Some(*below))?;
            partition.committed = Some(below);
            Some((*number, below))
        });
        commits.collect()
    }

    /// The last commits may have failed: they are sent again.
    pub(super) fn commits_failed(&mut self) {
        for partition in self.partitions.values_mut() {
            partition.committed = None;
        }
    }

    /// The partitions to pause and resume so that memory stays bounded.
    pub(super) fn regulate(&mut self) -> Flow {
        let in_hand_max = if self.is_full { IN_HAND_RESUME } else { IN_HAND_MAX - 1 };
        self.is_full = self.in_hand > in_hand_max || self.has_too_many_put_back();
        let mut flow = Flow::default();
        for (number, partition) in &mut self.partitions {
            let span_max = if partition.is_far_ahead { SPAN_RESUME } else { SPAN_MAX - 1 };
            partition.is_far_ahead = partition.received.len() > span_max;
            let is_to_pause = self.is_full || partition.is_far_ahead;
            match (partition.is_paused, is_to_pause) {
                (false, true) => flow.pause.push(*number),
                (true, false) => flow.resume.push(*number),
                (false, false) | (true, true) => {}
            }
            partition.is_paused = is_to_pause;
        }
        flow
    }

    /// Why a partition is not read further, if records that are not done for long block it.
    pub(super) fn standstill(&self) -> Option<Standstill> {
        if self.has_too_many_put_back() {
            return Some(Standstill::PutBack);
        }
        self.partitions.iter().find_map(|(number, partition)| {
            let is_far_ahead = partition.is_far_ahead && partition.received.len() > SPAN_RESUME;
            let first = partition.received.front().filter(|_| is_far_ahead)?;
            let is_put_back = matches!(first.progress, Progress::PutBack(_));
            Some(Standstill::Behind { partition: *number, offset: first.offset, is_put_back })
        })
    }

    fn has_too_many_put_back(&self) -> bool {
        self.put_back >= PUT_BACK_MAX || self.put_back_bytes >= PUT_BACK_BYTES_MAX
    }

    /// The progress of the record, if its partition has the same assignment.
    fn progress_of(&mut self, position: Position) -> Option<&mut Progress> {
        let partition = self.partitions.get_mut(&position.partition)?;
        if partition.assignment != position.assignment {
            return None;
        }
        let at = partition.received.binary_search_by_key(&position.offset, |received| received.offset);
        Some(&mut partition.received.get_mut(at.ok()?)?.progress)
    }
}

#[cfg(test)]
mod tests;
