//! Up to which time a reader has read, derived from the events: from there it resumes if its link is refused. Pure.
//!
//! Okta commits events to its log in an order of its own, and nothing before it was published. So what was not read yet
//! was committed after each honest `published` that was read, and a resumption from there leaves nothing out. But an event
//! may say anything: one that claims to be of the year 2036 must not move the place by years. Therefore the highest claims
//! of late do not count, and none counts for more than Okta's own clock.

use std::collections::VecDeque;

use jiff::Timestamp;

/// Claims that are looked at.
const CLAIMS: usize = 128;
/// Fewer claims say nothing, unless all there was has been read.
const CLAIMS_MIN: usize = 8;
/// One in so many claims may be wrong.
const WRONG: usize = 4;

/// Up to when a reader has read.
#[derive(Debug)]
pub(super) struct Watermark {
    reached: Option<Timestamp>,
    /// The last `published`, oldest first.
    claims: VecDeque<Timestamp>,
}

impl Watermark {
    /// Goes on from where it was.
    pub(super) fn new(reached: Option<Timestamp>) -> Self {
        Self { reached, claims: VecDeque::with_capacity(CLAIMS) }
    }

    /// An event was read that says when it was published.
    pub(super) fn claim(&mut self, published: Timestamp) {
        if self.claims.len() == CLAIMS {
            self.claims.pop_front();
        }
        self.claims.push_back(published);
    }

    /// A page has been read whole, at `okta_now` by Okta's clock; with `is_end` there was nothing after it then.
    pub(super) fn page_read(&mut self, okta_now: Timestamp, is_end: bool) {
        let mut claims: Vec<_> = self.claims.iter().copied().collect();
        claims.sort_unstable();
        let believed = match claims.len() {
            few @ ..CLAIMS_MIN if is_end => few.checked_sub(1),
            ..CLAIMS_MIN => None,
            enough => Some(enough - 1 - enough / WRONG),
        };
        let believed = believed.and_then(|index| claims.get(index)).map(|claim| (*claim).min(okta_now));
        self.reached = self.reached.max(believed);
    }

    /// The latest `published` of what was read, as far as it is believed.
    pub(super) fn reached(&self) -> Option<Timestamp> {
        self.reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn read(
        watermark: &mut Watermark,
        claims: impl IntoIterator<Item = i64>,
        okta_now: i64,
        is_end: bool,
    ) -> i64 {
        for claim in claims {
            watermark.claim(at(claim));
        }
        watermark.page_read(at(okta_now), is_end);
        watermark.reached().map_or(-1, Timestamp::as_second)
    }

    #[test]
    fn one_event_of_the_future_moves_nothing() {
        let mut watermark = Watermark::new(None);
        let far = 2_082_758_400;
        let reached = read(&mut watermark, (1_000..1_100).chain([far]), 9_000_000, false);
        assert!((1_060..1_100).contains(&reached), "{reached}");
        assert_eq!(read(&mut Watermark::new(None), [far], 2_000, true), 2_000, "Okta's clock is the most");
        assert_eq!(read(&mut Watermark::new(None), [far], 2_000, false), -1, "there may be years behind it");
    }

    #[test]
    fn late_events_move_it_not_back() {
        let mut watermark = Watermark::new(Some(at(5_000)));
        assert_eq!(read(&mut watermark, 1_000..1_200, 6_000, true), 5_000);
        assert_eq!(read(&mut watermark, std::iter::repeat_n(5_500, 128), 6_000, true), 5_500);
    }

    #[test]
    fn an_org_with_few_events_is_believed_at_the_tail() {
        let mut watermark = Watermark::new(None);
        assert_eq!(read(&mut watermark, [10, 30, 20], 100, false), -1);
        assert_eq!(read(&mut watermark, [], 100, true), 30);
    }
}
