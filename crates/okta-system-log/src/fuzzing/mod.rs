//! What is fuzzed here: one function a target, which takes any bytes and panics if a promise is broken. `fuzz/` hands them
//! what a fuzzer thinks of; the tests below hand them the committed inputs and changes of these.

mod event;
mod filter;
mod json;
mod page;
mod redaction;

pub use event::event;
pub use filter::filter;
pub use page::page;
pub use redaction::redaction;

#[cfg(test)]
#[path = "../../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::{event, filter, page, redaction, replay::replay};

    #[test]
    fn any_page_is_cut_into_events_as_serde_json_reads_it_or_refused() {
        replay("page", page);
    }

    #[test]
    fn any_event_is_rendered_whole_to_sound_json_in_every_format() {
        replay("event", event);
    }

    #[test]
    fn no_redacted_value_is_found_in_any_format() {
        replay("redaction", redaction);
    }

    #[test]
    fn any_text_is_a_filter_or_refused_with_a_place_in_it() {
        replay("filter", filter);
    }
}
