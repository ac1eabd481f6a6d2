//! Messages of a route that the stream holds and no checkpoint counts. A server whose room ends while it stores a batch keeps what
//! it has stored by then, without the checkpoint behind it (seen with nats-server 2.15.1). They are left out of what is sent, and
//! the checkpoint that is committed with what follows them counts them. Pure: reads no stream.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::RangeInclusive,
};

/// Messages in a row that were not among them, after which none is any more: those of a batch are the next ones of the route,
/// unless the route delivers other events, or in another form, since.
const MISSES_MAX: usize = 10_000;

/// Where such messages may be: runs of sequences, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Places(Vec<RangeInclusive<u64>>);

impl Places {
    /// Out of the text that [`Places::to_text`] gives.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let run = |run: &str| {
            let (from, to) = run.split_once('-')?;
            Some(from.parse().ok()?..=to.parse().ok()?)
        };
        Some(Self(text.split(',').map(run).collect::<Option<_>>()?))
    }

    /// As a checkpoint bears them; none if there are none.
    pub(super) fn to_text(&self) -> Option<String> {
        let runs: Vec<_> = self.0.iter().map(|run| format!("{}-{}", run.start(), run.end())).collect();
        (!runs.is_empty()).then(|| runs.join(","))
    }

    /// These, and all behind `sequence`.
    pub(super) fn and_behind(mut self, sequence: u64) -> Self {
        self.0.push(sequence + 1..=u64::MAX);
        self
    }

    /// Those of them that are before `sequence`.
    pub(super) fn before(self, sequence: u64) -> Self {
        let end = |run: &RangeInclusive<u64>| (*run.end()).min(sequence.saturating_sub(1));
        let runs = self.0.iter().map(|run| *run.start()..=end(run)).filter(|run| !run.is_empty());
        Self(runs.collect())
    }

    pub(super) fn contains(&self, sequence: u64) -> bool {
        self.0.iter().any(|run| run.contains(&sequence))
    }

    /// The lowest sequence.
    pub(super) fn first(&self) -> Option<u64> {
        self.0.iter().map(|run| *run.start()).min()
    }
}

/// Messages that are in the stream and not counted.
#[derive(Debug, Default)]
pub(super) struct Uncounted {
    /// Under which sequences each id is, ascending: an event may be twice in one page.
    by_id: HashMap<String, VecDeque<u64>>,
    /// Messages in a row that were not among them.
    misses: usize,
}

impl Uncounted {
    /// The stream holds the message `id` under this sequence, which is higher than that of any other.
    pub(super) fn add(&mut self, id: String, sequence: u64) {
        self.by_id.entry(id).or_default().push_back(sequence);
    }

    /// Whether the stream holds the message `id`. If so, the next checkpoint counts it.
    pub(super) fn take(&mut self, id: &str) -> bool {
        if self.by_id.is_empty() {
            return false;
        }
        if let Some(sequences) = self.by_id.get_mut(id) {
            sequences.pop_front();
            if sequences.is_empty() {
                self.by_id.remove(id);
            }
            self.misses = 0;
            return true;
        }
        self.misses += 1;
        if self.misses > MISSES_MAX {
            self.by_id.clear();
        }
        false
    }

    /// Where those are that were not taken.
    pub(super) fn places(&self) -> Places {
        let sequences: BTreeMap<u64, ()> =
            self.by_id.values().flatten().map(|sequence| (*sequence, ())).collect();
        let mut runs: Vec<RangeInclusive<u64>> = Vec::new();
        for sequence in sequences.into_keys() {
            match runs.last_mut() {
                Some(run) if run.end() + 1 == sequence => *run = *run.start()..=sequence,
                _ => runs.push(sequence..=sequence),
            }
        }
        Places(runs)
    }

    /// How many they are.
    pub(super) fn len(&self) -> usize {
        self.by_id.values().map(VecDeque::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uncounted(messages: &[(&str, u64)]) -> Uncounted {
        let mut uncounted = Uncounted::default();
        for (id, sequence) in messages {
            uncounted.add((*id).to_owned(), *sequence);
        }
        uncounted
    }

    #[test]
    fn what_the_stream_holds_is_left_out_once_for_each_copy() {
        let mut uncounted = uncounted(&[("a", 5), ("b", 6), ("a", 7), ("c", 9)]);
        assert_eq!(uncounted.places().to_text().unwrap(), "5-7,9-9");
        assert!(uncounted.take("a") && uncounted.take("b") && uncounted.take("a"));
        assert!(!uncounted.take("a"));
        assert_eq!(uncounted.places().to_text().unwrap(), "9-9");
        assert!(uncounted.take("c"));
        assert_eq!((uncounted.places().to_text(), uncounted.len()), (None, 0));
    }

    #[test]
    fn what_is_never_sent_again_is_forgotten() {
        let mut uncounted = uncounted(&[("a", 5)]);
        for number in 0..MISSES_MAX {
            assert!(!uncounted.take(&number.to_string()));
        }
        assert_eq!(uncounted.len(), 1);
        uncounted.take("one more");
        assert_eq!(uncounted.len(), 0);
    }

    #[test]
    fn places_are_read_back_and_end_before_the_checkpoint_that_bears_them() {
        let places = Places::from_text("5-7,9-9").unwrap();
        assert_eq!(places.to_text().unwrap(), "5-7,9-9");
        assert!(places.contains(6) && !places.contains(8));
        let borne = places.and_behind(12);
        let read = Places::from_text(&borne.to_text().unwrap()).unwrap().before(30);
        assert_eq!(read.to_text().unwrap(), "5-7,9-9,13-29");
        assert_eq!(read.before(6).to_text().unwrap(), "5-5");
        for junk in ["", "5", "5-", "-5", "a-b", "5-7,"] {
            assert_eq!(Places::from_text(junk), None, "{junk}");
        }
    }
}
