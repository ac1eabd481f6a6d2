//! Whether a refused message is wrong, or the sink that refuses it. Pure.
//!
//! A sink that refuses one message and takes those around it is right: the message goes to the dead letters. A sink that
//! refuses several in a row takes nothing from us, whatever its reason: then nothing goes to the dead letters, and the
//! refused messages wait until the sink is mended. In between there is doubt, and the refused messages are tried once more
//! before anything is decided.
//!
//! The measure is a count that a refused message raises by one and a taken one lowers by one, never below zero. It comes
//! back to zero where at least as many were taken as were refused since the first refusal.

/// At this count the sink is under suspicion. Up to one fewer may go to the dead letters although nothing was taken
/// since: somebody who waits for the next event of a quiet org must not wait for ever.
pub(in crate::route) const SUSPICION_MAX: usize = 5;

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::route) enum Ruling {
    /// The sink takes others: what it refused goes to the dead letters.
    Odd,
    /// Not enough is known: what it refused is tried once more.
    Doubtful,
    /// The sink is wrong: nothing goes to the dead letters, and what it refused is tried again until it is taken.
    Open,
}

/// What the sink said of the messages of one batch.
#[derive(Debug, Clone)]
pub(in crate::route) struct Answer {
    /// How many messages there are.
    pub(in crate::route) messages: usize,
    /// Indices of those that were refused. Ascending.
    pub(in crate::route) refused: Vec<usize>,
    /// All that are refused were tried a second time.
    pub(in crate::route) is_tried_again: bool,
}

/// The breaker of one route.
#[derive(Debug, Default)]
pub(in crate::route) struct CircuitBreaker {
    /// The count after the last batch that has passed.
    suspicion: usize,
}

/// The count on its way through batches.
#[derive(Debug, Default)]
struct Walk {
    suspicion: usize,
    is_suspect: bool,
    /// Since the first refusal.
    refused: usize,
    taken: usize,
}

impl CircuitBreaker {
    /// What the refusals of the oldest batch mean, with what is known of the `later` ones, in their order.
    pub(in crate::route) fn judge(&self, oldest: &Answer, later: impl IntoIterator<Item = Answer>) -> Ruling {
        if oldest.refused.is_empty() {
            return Ruling::Odd;
        }
        let mut walk = Walk { suspicion: self.suspicion, ..Walk::default() };
        walk.through(oldest);
        for answer in later {
            if walk.is_over() {
                break;
            }
            walk.through(&answer);
        }
        match (walk.is_over(), walk.is_suspect && walk.refused > walk.taken) {
            (true, _) => Ruling::Odd,
            (false, true) => Ruling::Open,
            (false, false) if oldest.is_tried_again => Ruling::Odd,
            (false, false) => Ruling::Doubtful,
        }
    }

    /// The oldest batch was let through.
    pub(in crate::route) fn pass(&mut self, oldest: &Answer) {
        let mut walk = Walk { suspicion: self.suspicion, ..Walk::default() };
        walk.through(oldest);
        // What was refused so often and let through all the same was outweighed by what was taken behind it.
        self.suspicion = if walk.suspicion < SUSPICION_MAX { walk.suspicion } else { 0 };
    }
}

impl Walk {
    fn through(&mut self, answer: &Answer) {
        let mut next = 0;
        for index in &answer.refused {
            self.take(index - next);
            self.refuse();
            next = index + 1;
        }
        self.take(answer.messages - next);
    }

    fn take(&mut self, messages: usize) {
        self.suspicion = self.suspicion.saturating_sub(messages);
        if self.refused > 0 {
            self.taken += messages;
        }
    }

    fn refuse(&mut self) {
        self.suspicion += 1;
        self.is_suspect |= self.suspicion >= SUSPICION_MAX;
        self.refused += 1;
    }

    /// As many were taken as were refused, and there were never many refusals in a row.
    fn is_over(&self) -> bool {
        self.suspicion == 0 && !self.is_suspect
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `.` was taken, `x` was refused.
    fn answer(messages: &str) -> Answer {
        let refused = messages.char_indices().filter(|(_, verdict)| *verdict == 'x').map(|(index, _)| index);
        Answer { messages: messages.len(), refused: refused.collect(), is_tried_again: false }
    }

    fn tried(messages: &str) -> Answer {
        Answer { is_tried_again: true, ..answer(messages) }
    }

    fn first(oldest: &str, later: &[&str]) -> Ruling {
        CircuitBreaker::default().judge(&answer(oldest), later.iter().map(|later| answer(later)))
    }

    fn second(oldest: &str, later: &[&str]) -> Ruling {
        CircuitBreaker::default().judge(&tried(oldest), later.iter().map(|later| answer(later)))
    }

    #[test]
    fn an_odd_message_between_good_ones_is_one_at_once() {
        for messages in ["..x..", "x.", ".xx..", "x.x.x.x.x.x.x.x.", "xxxx...."] {
            assert_eq!(first(messages, &[]), Ruling::Odd, "{messages}");
        }
        assert_eq!(first("..x", &["."]), Ruling::Odd, "what is behind it came with the next page");
        assert_eq!(first("..xx", &["", ".", "."]), Ruling::Odd);
    }

    #[test]
    fn a_few_at_the_tail_are_tried_once_more_and_are_then_odd() {
        for messages in ["x", "...xx", "xxxx", "xxx.."] {
            assert_eq!(first(messages, &[]), Ruling::Doubtful, "{messages}");
            assert_eq!(second(messages, &[]), Ruling::Odd, "{messages}");
        }
    }

    #[test]
    fn several_in_a_row_are_the_sinks_fault_however_often_they_are_tried() {
        for messages in ["xxxxx", "..xxxxx", "xxxxxxxx"] {
            assert_eq!(first(messages, &[]), Ruling::Open, "{messages}");
            assert_eq!(second(messages, &[]), Ruling::Open, "{messages}");
        }
        let page = ".".repeat(600) + &"x".repeat(400);
        assert_eq!(second(&page, &[&"x".repeat(1_000)]), Ruling::Open);
        assert_eq!(first("..xx", &["xxx"]), Ruling::Open, "they may come in several pages");
    }

    #[test]
    fn many_that_are_refused_twice_by_a_sink_that_takes_more_than_it_refuses_are_odd() {
        let page = "..xxxxxxxx".to_owned() + &".".repeat(90);
        assert_eq!(first(&page, &[]), Ruling::Doubtful, "the sink may have been mended in between");
        assert_eq!(second(&page, &[]), Ruling::Odd);
        assert_eq!(second("xxxxxxxx", &["..", "......"]), Ruling::Odd);
        assert_eq!(second("xxxxxxxx", &["..", "....."]), Ruling::Open);
    }

    #[test]
    fn a_sink_that_refuses_more_than_half_is_wrong() {
        assert_eq!(first(&"xx.".repeat(20), &[]), Ruling::Open);
        assert_eq!(second(&"xx.".repeat(20), &[]), Ruling::Open);
    }

    #[test]
    fn events_that_come_one_by_one_to_a_sink_that_takes_none_do_not_drain() {
        let mut breaker = CircuitBreaker::default();
        breaker.pass(&answer(&".".repeat(1_000)));
        let mut dead_letters = 0;
        while breaker.judge(&tried("x"), []) == Ruling::Odd {
            breaker.pass(&tried("x"));
            dead_letters += 1;
        }
        assert_eq!(dead_letters, SUSPICION_MAX - 1);
        // One that is taken later makes it good again.
        assert_eq!(breaker.judge(&tried("x"), [answer(&".".repeat(SUSPICION_MAX))]), Ruling::Odd);
    }

    proptest! {
        /// Whatever a sink says while it takes nothing, and however it is cut into pages: almost nothing drains.
        #[test]
        fn a_sink_that_takes_nothing_drains_next_to_nothing(before in 0_usize..50, pages in prop::collection::vec(1_usize..40, 1..30)) {
            let mut breaker = CircuitBreaker::default();
            breaker.pass(&answer(&".".repeat(before)));
            let mut dead_letters = 0;
            for messages in pages {
                let page = tried(&"x".repeat(messages));
                if breaker.judge(&page, []) != Ruling::Odd {
                    break;
                }
                breaker.pass(&page);
                dead_letters += messages;
            }
            prop_assert!(dead_letters < SUSPICION_MAX);
        }
    }
}
