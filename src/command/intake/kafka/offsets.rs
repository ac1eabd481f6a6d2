//! Which offsets are in hand, put back, done and committed, and when no more may be read. Knows nothing of Kafka's client and
//! does no I/O.
//!
//! A commit says that everything below it is done, so it stops below the first offset that is not. Each assignment of a
//! partition is one of its own: what was received in an earlier one may still end, but counts no more.

use std::collections::{BTreeMap, VecDeque};

use super::record::Record;

/// Records that are handed out and of which it is not said what became of them, over all partitions.
pub(super) const IN_HAND_MAX: usize = 256;
/// Records that are put back to be tried again, over all partitions: as many as a JetStream consumer of ours has at most.
const PUT_BACK_MAX: usize = 4_096;
/// What these may take of memory together.
const PUT_BACK_BYTES_MAX: usize = 64 << 20;
/// Offsets of one partition from the first that is not done to the last that was read. A crash makes them all come again.
/// More than Okta's rate limits let through in the ten minutes for which a command is put back at most.
const SPAN_MAX: usize = 10_000;

/// Beyond this a partition that was stopped is not read again, so that it does not stop and go with every record.
const SPAN_RESUME: usize = SPAN_MAX / 8 * 7;
const IN_HAND_RESUME: usize = IN_HAND_MAX / 2;

/// One received record: where it stands, and by which assignment of its partition it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) partition: i32,
    assignment: u64,
    pub(super) offset: i64,
}

/// All partitions that are ours.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    partitions: BTreeMap<i32, Partition>,
    /// How often a partition was assigned.
    assignments: u64,
    /// Records that somebody has, those of earlier assignments included.
    in_hand: usize,
    put_back: usize,
    put_back_bytes: usize,
    /// No partition is read, until there is room again.
    is_full: bool,
}

#[derive(Debug, Default)]
struct Partition {
    assignment: u64,
    /// From the first offset that is not done on, in order.
    received: VecDeque<Received>,
    highest: Option<i64>,
    /// Everything received below this is done.
    done_below: Option<i64>,
    /// The last commit that was handed over and has not failed.
    committed: Option<i64>,
    is_paused: bool,
    /// It is not read until its first that is not done is done.
    is_far_ahead: bool,
    /// It is about to go to another.
    is_leaving: bool,
}

#[derive(Debug)]
struct Received {
    offset: i64,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    /// Handed out.
    InHand,
    /// Handed out, and being carried out.
    Begun,
    /// To be handed out again.
    PutBack(Box<Record>),
    Done,
}

/// Partitions to stop reading, and to go on reading.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) pause: Vec<i32>,
    pub(super) resume: Vec<i32>,
}

/// Why a partition is not read, though the engine would take more.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standstill {
    /// As many are put back as may be.
    PutBack,
    /// As many were read behind this one, which is not done, as may be.
    Behind { partition: i32, offset: i64, is_put_back: bool },
}

impl Offsets {
    /// The partition is ours from now on.
    pub(super) fn assign(&mut self, partition: i32) {
        self.revoke(partition);
        self.assignments += 1;
        self.partitions.insert(partition, Partition { assignment: self.assignments, ..Partition::default() });
    }

    /// The partition is not ours any more.
    pub(super) fn revoke(&mut self, partition: i32) {
        let revoked = self.partitions.remove(&partition);
        for received in revoked.into_iter().flat_map(|partition| partition.received) {
            if let Progress::PutBack(record) = received.progress {
                self.put_back -= 1;
                self.put_back_bytes -= record.bytes();
            }
        }
    }

    /// No partition is ours any more.
    pub(super) fn revoke_all(&mut self) {
        self.partitions.clear();
        (self.put_back, self.put_back_bytes) = (0, 0);
    }

    /// Notes that the record at `offset` was received and is handed out; none if the partition is not ours.
    pub(super) fn receive(&mut self, partition: i32, offset: i64) -> Option<Position> {
        // An offset comes back only if the partition lost its end, and then it stands for another record.
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

    /// Notes that the record there is being carried out, if it still is for us to do. May be asked again.
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

    /// Notes that the record there, which was in hand, is done.
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

    /// Keeps a record, which was in hand, to be handed out again. False if it is another's by now.
    pub(super) fn put_back(&mut self, position: Position, record: Record) -> bool {
        self.in_hand -= 1;
        let bytes = record.bytes();
        let Some(progress) = self.progress_of(position) else { return false };
        *progress = Progress::PutBack(Box::new(record));
        self.put_back += 1;
        self.put_back_bytes += bytes;
        true
    }

    /// Hands a record out again that was put back; none if it is another's by now.
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

    /// The partition is about to go to another: nothing more of it is begun.
    pub(super) fn leave(&mut self, partition: i32) {
        if let Some(partition) = self.partitions.get_mut(&partition) {
            partition.is_leaving = true;
        }
    }

    /// Whether the record there is still ours to begin.
    pub(super) fn is_open(&self, position: Position) -> bool {
        let partition = self.partitions.get(&position.partition);
        partition
            .is_some_and(|partition| partition.assignment == position.assignment && !partition.is_leaving)
    }

    /// Whether anything of these partitions is being carried out.
    pub(super) fn has_begun(&self, partitions: &[i32]) -> bool {
        let partitions = partitions.iter().filter_map(|number| self.partitions.get(number));
        let mut received = partitions.flat_map(|partition| &partition.received);
        received.any(|received| matches!(received.progress, Progress::Begun))
    }

    /// Whether anything is handed out, and may soon be done.
    pub(super) fn has_in_hand(&self) -> bool {
        self.in_hand > 0
    }

    /// What is to be committed now, each as partition and the offset to go on from. Counts as committed from here on.
    pub(super) fn take_commits(&mut self) -> Vec<(i32, i64)> {
        let commits = self.partitions.iter_mut().filter_map(|(number, partition)| {
            let below = partition.done_below.filter(|below| partition.committed < Some(*below))?;
            partition.committed = Some(below);
            Some((*number, below))
        });
        commits.collect()
    }

    /// The last commits may not have arrived: they are to be handed over again.
    pub(super) fn commits_failed(&mut self) {
        for partition in self.partitions.values_mut() {
            partition.committed = None;
        }
    }

    /// What is to be paused and resumed so that what is held stays bounded.
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

    /// Why a partition is not read further, if it is because of records that are not done for long.
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

    /// How far the record there is, if its partition is still ours by the same assignment.
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
