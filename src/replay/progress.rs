//! The progress of a replay: one record, so that the positions of the slices and the mark of the sink are durable
//! together.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Request, plan::Span};
use crate::state::SinkMark;

/// The durable record of a replay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Progress {
    /// The request.
    pub(super) request: Request,
    /// The begin of the window, resolved when the replay began.
    pub(super) since: Timestamp,
    /// The end of the window, likewise; exclusive.
    pub(super) until: Timestamp,
    /// The number of slices.
    pub(super) slices: u16,
    /// A digest of org and filter, to which the links belong.
    pub(super) question: String,
    /// Slices that are wholly delivered: the first and the last of each run of them.
    pub(super) done: Vec<[u16; 2]>,
    /// The positions of slices that have begun and are not done.
    pub(super) begun: BTreeMap<u16, SliceProgress>,
    /// Messages that are delivered.
    pub(super) delivered: u64,
    /// The mark of the sink.
    pub(super) mark: Option<SinkMark>,
}

/// The position within one slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SliceProgress {
    /// The link after what is delivered, byte for byte.
    pub(super) link: String,
    /// The latest `published` of what is delivered, to resume by time if Okta refuses the link.
    pub(super) published_max: Option<Timestamp>,
}

impl Progress {
    pub(super) fn new(request: Request, span: Span, slices: u16, question: String) -> Self {
        let Span { since, until } = span;
        let (done, begun) = (Vec::new(), BTreeMap::new());
        Self { request, since, until, slices, question, done, begun, delivered: 0, mark: None }
    }

    pub(super) fn span(&self) -> Span {
        Span { since: self.since, until: self.until }
    }

    /// Records that `slice` is delivered up to `position`; none: to its end.
    pub(super) fn proved(&mut self, slice: u16, position: Option<SliceProgress>) {
        match position {
            Some(position) => {
                self.begun.insert(slice, position);
            }
            None => {
                self.begun.remove(&slice);
                self.mark_done(slice);
            }
        }
    }

    fn mark_done(&mut self, slice: u16) {
        if self.is_done(slice) {
            return;
        }
        self.done.push([slice, slice]);
        self.done.sort_unstable();
        let mut joined: Vec<[u16; 2]> = Vec::with_capacity(self.done.len());
        for run in &self.done {
            match joined.last_mut() {
                Some(last) if last[1] + 1 == run[0] => last[1] = run[1],
                _ => joined.push(*run),
            }
        }
        self.done = joined;
    }

    fn is_done(&self, slice: u16) -> bool {
        self.done.iter().any(|[first, last]| (*first..=*last).contains(&slice))
    }

    /// How many slices are wholly delivered.
    pub(super) fn slices_done(&self) -> u16 {
        self.done.iter().map(|[first, last]| last - first + 1).sum()
    }

    /// The slices that are left, those that have begun first, so that there are never more positions than readers.
    pub(super) fn left(&self) -> Vec<u16> {
        let fresh = |slice: &u16| !self.is_done(*slice) && !self.begun.contains_key(slice);
        self.begun.keys().copied().chain((0..self.slices).filter(fresh)).collect()
    }

    /// The part of the window that is delivered, from 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "a part, for people")]
    pub(super) fn part(&self) -> f64 {
        let span = self.span();
        let begun = self.begun.iter().map(|(slice, position)| {
            let slice = span.slice(*slice, self.slices);
            let read = position.published_max.unwrap_or(slice.since).clamp(slice.since, slice.until);
            read.duration_since(slice.since).as_millis() as f64 / slice.length_ms().max(1) as f64
        });
        (f64::from(self.slices_done()) + begun.sum::<f64>()) / f64::from(self.slices.max(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::request::tests::request, *};
    use crate::state::CONTENT_MAX_BYTES;

    fn progress(slices: u16) -> Progress {
        let since = Timestamp::from_second(1_700_000_000).unwrap();
        let span = Span { since, until: since + std::time::Duration::from_secs(86_400) };
        Progress::new(request("-1d", "now"), span, slices, String::new())
    }

    fn position(bytes: usize) -> SliceProgress {
        SliceProgress { link: "x".repeat(bytes), published_max: None }
    }

    proptest! {
        #[test]
        fn what_is_done_and_what_is_left_make_up_the_whole(order in Just((0..60_u16).collect::<Vec<_>>()).prop_shuffle(), done in 0_usize..=60) {
            let mut progress = progress(60);
            for slice in &order[..done] {
                progress.proved(*slice, Some(position(1)));
                progress.proved(*slice, None);
            }
            prop_assert_eq!(usize::from(progress.slices_done()), done);
            let mut left = order[done..].to_vec();
            left.sort_unstable();
            prop_assert_eq!(progress.left(), left);
            let kept: Progress = serde_json::from_str(&serde_json::to_string(&progress).unwrap()).unwrap();
            prop_assert_eq!(kept, progress);
        }
    }

    #[test]
    fn what_has_begun_comes_first_and_counts_in_part() {
        let mut progress = progress(4);
        let half = progress.span().slice(2, 4).since + std::time::Duration::from_secs(86_400 / 8);
        progress.proved(2, Some(SliceProgress { link: "x".to_owned(), published_max: Some(half) }));
        assert_eq!(progress.left(), [2, 0, 1, 3]);
        assert!((progress.part() - 0.125).abs() < 1e-6);
        progress.proved(2, None);
        assert!((progress.part() - 0.25).abs() < 1e-6);
    }

    #[test]
    fn the_worst_note_fits() {
        let mut progress = progress(400);
        // Every other one, so that no two of them join.
        for slice in (0..400).step_by(2) {
            progress.proved(slice, None);
        }
        for slice in 0..u16::try_from(super::super::reader::READERS_MAX).unwrap() {
            progress.proved(slice * 2 + 1, Some(position(super::super::reader::LINKS_BYTES_MAX / 8)));
        }
        let note = serde_json::to_string(&progress).unwrap();
        assert!(note.len() < CONTENT_MAX_BYTES, "{}", note.len());
    }
}
