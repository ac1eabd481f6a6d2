//! What an actor or a target is called, for people.

use std::borrow::Cow;

use super::{json::EventView, missing::is_missing};

/// The login or e-mail of the party at `path`, else its name, else its id; empty if it has none of them.
pub fn name_of<'e>(event: &'e EventView<'_>, path: &str) -> Cow<'e, str> {
    let names = ["alternateId", "displayName", "id"].map(|member| event.text(&format!("{path}/{member}")));
    names.into_iter().find(|name| !is_missing(name)).unwrap_or_default()
}
