//! What is fuzzed here: one function a target, which takes any bytes and panics if a promise is broken. `fuzz/` hands them
//! what a fuzzer thinks of; the tests below hand them the committed inputs and changes of these.

mod command;
mod configuration;
mod record;
mod schedule;
mod template;

pub use self::{command::command, configuration::configuration, schedule::schedule, template::template};
pub use crate::{route::fuzz_checkpoint as checkpoint, state::fuzzing::export};
pub use record::record;

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;

/// The first lines of `data`, so many of them, and what comes after; none if they are not text.
fn lines<const COUNT: usize>(data: &[u8]) -> Option<([&str; COUNT], &[u8])> {
    let mut rest = data;
    let mut lines = [""; COUNT];
    for line in &mut lines {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        *line = std::str::from_utf8(&rest[..end]).ok()?;
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    Some((lines, rest))
}

#[cfg(test)]
mod tests {
    use super::{checkpoint, command, configuration, export, record, replay::replay, schedule, template};

    #[test]
    fn any_message_is_the_same_command_in_every_form_or_refused_with_a_reason() {
        replay("command", command);
    }

    #[test]
    fn any_text_is_a_configuration_or_refused_with_the_place_of_each_mistake() {
        replay("configuration", configuration);
    }

    #[test]
    fn any_schedule_goes_forward_or_is_refused() {
        replay("schedule", schedule);
    }

    #[test]
    fn any_template_gives_legal_subjects_topics_and_keys_or_is_refused() {
        replay("template", template);
    }

    #[test]
    fn any_record_of_the_state_is_read_as_it_was_written_or_refused() {
        replay("record", record);
    }

    #[test]
    fn anything_in_place_of_a_checkpoint_is_one_or_refused_with_a_reason() {
        replay("checkpoint", checkpoint);
    }

    #[test]
    fn any_export_of_the_state_is_read_or_refused() {
        replay("export", export);
    }
}
