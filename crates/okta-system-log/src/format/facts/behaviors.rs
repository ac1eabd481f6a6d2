//! Which behaviours Okta evaluated, and which of them fired.

use std::borrow::Cow;

use super::notation;
use crate::{event::is_missing, format::object::Object};

/// The behaviours that fired, each once.
#[derive(Debug, Default)]
pub(in crate::format) struct Behaviors<'a> {
    fired: Vec<Cow<'a, str>>,
    /// What Okta wrote as behaviours and nobody could read.
    pub(in crate::format) unread: Option<Cow<'a, str>>,
}

/// The result that Okta documents for what is unusual.
const FIRED: &str = "POSITIVE";
/// The others: usual, too little history, too little in the request.
const QUIET: [&str; 3] = ["NEGATIVE", "UNKNOWN", "BAD_REQUEST"];

impl<'a> Behaviors<'a> {
    /// The names of those that are unusual for the user. Those that were evaluated and found usual are not among them:
    /// a search for a behaviour finds the events in which it fired.
    pub(in crate::format) fn fired(&self) -> &[Cow<'a, str>] {
        &self.fired
    }

    /// Adds what the JSON of a member says, whose notation may be any.
    pub(super) fn add(&mut self, json: &'a str) {
        match notation::content(json) {
            Some(Cow::Borrowed(content)) => self.add_content(content),
            Some(Cow::Owned(content)) => {
                let mut behaviors = Behaviors::default();
                behaviors.add_content(&content);
                self.merge(behaviors);
            }
            None => {}
        }
    }

    /// Whether one of the words that Okta documents as results is in the text.
    pub(super) fn has_result(text: &str) -> bool {
        text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').any(is_result)
    }

    /// Adds what a text says that is in no further text.
    pub(super) fn add_content(&mut self, content: &'a str) {
        if let Some(object) = Object::read(content) {
            self.add_map(&object, content);
        } else if let Some(elements) = Object::read_elements(content) {
            elements.into_iter().for_each(|element| self.add_element(element, content));
        } else if content.starts_with("[{") {
            self.add_printed_list(content);
        } else if !self.add_entries(content, Cow::Borrowed) {
            self.add_unread(content);
        }
    }

    /// Adds `{"New IP":"POSITIVE"}`, of which `content` is the text.
    fn add_map(&mut self, map: &Object<'a>, content: &'a str) {
        for (name, json) in map.members().filter(|(_, json)| has_fired(json)) {
            // A number or an object is no result, and says nothing of the behaviour.
            match json.starts_with('"') {
                true => self.insert(Cow::Owned(name.to_owned())),
                false => self.add_unread(content),
            }
        }
    }

    /// Adds `{New IP=POSITIVE}`; false if something of it could not be read.
    fn add_entries<'t>(&mut self, text: &'t str, name: impl Fn(&'t str) -> Cow<'a, str>) -> bool {
        let (entries, mut is_whole) = notation::entries_by_value(text, is_result);
        for (behavior, result) in entries {
            // A name with a result in it is that of two behaviours.
            is_whole &= !Self::has_result(behavior);
            if !is_quiet(result) {
                self.insert(name(behavior));
            }
        }
        is_whole
    }

    /// Adds a list of maps as Java prints it: `[{name=New IP, result=POSITIVE}]`, or with the behaviours as names.
    fn add_printed_list(&mut self, list: &'a str) {
        let maps = list.split('}').map(|map| map.trim_start_matches([',', ' ', '[']));
        for map in maps.filter(|map| map.contains(['=', ':'])) {
            let is_name =
                |name: &str| ["name", "result"].iter().any(|known| known.eq_ignore_ascii_case(name));
            let (entries, _) = notation::entries_by_name(map, is_name);
            let find = |name: &str| entries.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            match (find("name"), find("result")) {
                (Some((_, name)), Some((_, result))) if !is_quiet(result) => {
                    self.insert(Cow::Borrowed(name));
                }
                (Some(_), Some(_)) => {}
                (None, None) if self.add_entries(map, Cow::Borrowed) => {}
                _ => self.add_unread(list),
            }
        }
    }

    /// Adds an element of a list: `{"name":"New IP","result":"POSITIVE"}`, `{"New IP":"POSITIVE"}`, or a text such as
    /// `New IP=POSITIVE`.
    fn add_element(&mut self, json: &'a str, list: &'a str) {
        if let Some(behavior) = Object::read(json) {
            return self.add_object(&behavior, list);
        }
        if let Some(text) = notation::content(json)
            && !self.add_entries(&text, |name| Cow::Owned(name.to_owned()))
        {
            self.add_unread(list);
        }
    }

    fn add_object(&mut self, behavior: &Object<'a>, list: &'a str) {
        let member = |wanted: &str| {
            let mut members = behavior.members();
            members.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, json)| json)
        };
        let are_results = || {
            let mut values = behavior.members();
            values.all(|(_, json)| notation::content(json).is_some_and(|result| is_result(&result)))
        };
        match (member("name").and_then(notation::content), member("result")) {
            (_, Some(result)) if !has_fired(result) => {}
            (Some(name), Some(_)) => self.insert(name),
            (None, None) if are_results() => self.add_map(behavior, list),
            // Nobody knows what it says.
            _ => self.add_unread(list),
        }
    }

    fn insert(&mut self, name: Cow<'a, str>) {
        if self.fired.contains(&name) {
            return;
        }
        if self.fired.len() < BEHAVIORS_MAX {
            self.fired.push(name);
        } else {
            // What is beyond is told as something that was not read.
            self.unread.get_or_insert(name);
        }
    }

    fn add_unread(&mut self, content: &'a str) {
        self.unread.get_or_insert(Cow::Borrowed(content));
    }

    pub(super) fn merge(&mut self, other: Behaviors<'_>) {
        other.fired.into_iter().for_each(|name| self.insert(Cow::Owned(name.into_owned())));
        let unread = other.unread.map(|unread| Cow::Owned(unread.into_owned()));
        self.unread = self.unread.take().or(unread);
    }
}

/// Whether the JSON of a result says that the behaviour fired. A result that Okta does not document counts as one:
/// somebody should look.
fn has_fired(json: &str) -> bool {
    notation::content(json).is_some_and(|result| !is_quiet(&result))
}

fn is_quiet(result: &str) -> bool {
    is_missing(result) || QUIET.iter().any(|quiet| result.eq_ignore_ascii_case(quiet))
}

/// Whether it is a result that Okta documents.
fn is_result(word: &str) -> bool {
    word.eq_ignore_ascii_case(FIRED) || QUIET.iter().any(|quiet| word.eq_ignore_ascii_case(quiet))
}

/// More than any org has. What is beyond stays where Okta wrote it.
const BEHAVIORS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn fired(json: &str) -> Vec<String> {
        let mut behaviors = Behaviors::default();
        behaviors.add(json);
        assert_eq!(behaviors.unread, None, "{json}");
        behaviors.fired().iter().map(|name| name.clone().into_owned()).collect()
    }

    #[test]
    fn only_what_fired_is_found_in_every_notation() {
        for json in [
            r#""{New Geo-Location=NEGATIVE, New Device=POSITIVE, New IP=POSITIVE, New City=BAD_REQUEST, Velocity=UNKNOWN}""#,
            r#""New Geo-Location=NEGATIVE,New Device=POSITIVE,New IP=POSITIVE""#,
            r#"{"New Geo-Location":"NEGATIVE","New Device":"POSITIVE","New IP":"POSITIVE","Velocity":"UNKNOWN"}"#,
            r#""{\"New Geo-Location\":\"NEGATIVE\",\"New Device\":\"POSITIVE\",\"New IP\":\"positive\"}""#,
            r#"[{"id":"b","name":"New Device","result":"POSITIVE"},{"name":"New IP","result":"POSITIVE"},{"name":"Velocity","result":"NEGATIVE"}]"#,
            r#"["New Device=POSITIVE", "New IP = positive", "Velocity=NEGATIVE"]"#,
            r#"[{"New Device":"POSITIVE"},{"New IP":"POSITIVE","Velocity":"NEGATIVE"}]"#,
            r#"[{"id":"b","Name":"New Device","Result":"POSITIVE"},{"name":"New IP","RESULT":"POSITIVE"}]"#,
            r#""{New Device:POSITIVE, New IP:positive, Velocity=NEGATIVE}""#,
            r#""[{id=b1, name=New Device, result=POSITIVE}, {id=b2, name=New IP, result=POSITIVE}]""#,
            r#""[{New Device=POSITIVE}, {New IP=POSITIVE, Velocity=NEGATIVE}]""#,
        ] {
            assert_eq!(fired(json), ["New Device", "New IP"], "{json}");
        }
        assert_eq!(
            fired(r#""{Anomalous Location: Country=POSITIVE, a, b=NEGATIVE}""#),
            ["Anomalous Location: Country"]
        );
        assert_eq!(fired(r#""{Velocity=PROBABLY}""#), ["Velocity"], "what nobody knows is looked at");
        assert!(fired(r#""{}""#).is_empty() && fired("{}").is_empty() && fired("null").is_empty());
    }

    #[test]
    fn one_behaviour_too_many_is_told() {
        let all: Vec<_> = (0..=BEHAVIORS_MAX).map(|number| format!("\"b{number}\":\"POSITIVE\"")).collect();
        let json = format!("{{{}}}", all.join(","));
        let mut behaviors = Behaviors::default();
        behaviors.add(&json);
        assert_eq!(behaviors.fired().len(), BEHAVIORS_MAX);
        assert_eq!(behaviors.unread, Some(format!("b{BEHAVIORS_MAX}").into()));
    }

    #[test]
    fn what_cannot_be_read_is_kept() {
        let mut behaviors = Behaviors::default();
        behaviors.add(r#""{New Device=POSITIVE, New I""#);
        assert_eq!(behaviors.fired(), ["New Device"]);
        assert_eq!(behaviors.unread.as_deref(), Some("{New Device=POSITIVE, New I"));
        for list in [
            r#"[{"behavior":"New IP","result":"POSITIVE"}]"#,
            r#"["New IP"]"#,
            r#"[{"id":"b","name":"New IP"}]"#,
            r#"[{"id":"b","behavior":"New IP"}]"#,
            r#"[{"New IP":{"result":"POSITIVE"}}]"#,
        ] {
            let mut behaviors = Behaviors::default();
            behaviors.add(list);
            assert_eq!(behaviors.unread.as_deref(), Some(list));
        }
    }
}
