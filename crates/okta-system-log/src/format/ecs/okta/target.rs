//! `okta.target`, and the details of actor and targets.
//!
//! Details and changes have a text for each of their members, whatever Okta has there: a policy's subject is a text in one
//! event and an object in the next. Elastic's integration does the same.

use super::{
    super::super::{object::Object, party::Party, writer::ObjectWriter},
    fields, flattened,
};

const DETAIL: &str = "detailEntry";
const CHANGES: &str = "changeDetails";
const SIDES: [&str; 2] = ["from", "to"];

/// `okta.target`
pub(super) fn write(targets: &[Party<'_>], out: &mut ObjectWriter<'_>) {
    out.array("target", |out| {
        for target in targets {
            out.object(|out| {
                write_party(&target.object, out);
                write_changes(&target.object, out);
            });
        }
    });
}

/// What actor and targets have in common.
pub(super) fn write_party(party: &Object<'_>, out: &mut ObjectWriter<'_>) {
    fields::write(party, &fields::PARTY, out);
    let detail = party.open(DETAIL);
    out.object(DETAIL, |out| write_texts(&detail, out));
}

/// What was changed from what to what. What has another shape is left.
fn write_changes(target: &Object<'_>, out: &mut ObjectWriter<'_>) {
    let Some(changes) = target.peek_object(CHANGES) else { return };
    let is_usual = |(name, json): (&str, &str)| SIDES.contains(&name) && json.starts_with('{');
    if !changes.members().all(is_usual) {
        return;
    }
    out.object(CHANGES, |out| {
        for side in SIDES {
            let state = changes.open(side);
            out.object(side, |out| write_texts(&state, out));
        }
    });
    target.mark(CHANGES);
}

/// A text for each member: its own if it is one, else its JSON.
fn write_texts(object: &Object<'_>, out: &mut ObjectWriter<'_>) {
    for (name, json) in object.members() {
        let name = &flattened::name_without_null(name);
        if json.starts_with('"') {
            out.okta_raw(name, json);
        } else {
            out.okta_text(name, json);
        }
    }
}
