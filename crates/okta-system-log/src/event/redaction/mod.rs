//! Redaction: fields of an event that a route drops, masks or pseudonymises before anything is made of the event, so that
//! it holds in every format, key, subject and dead letter. All other bytes stay as Okta sent them.

mod presets;
mod pseudonym;
mod rewriter;
mod rules;

use secrecy::SecretString;

pub use presets::Preset;
pub use rules::{Action, RuleError, Rules};

use self::{pseudonym::Pseudonyms, rewriter::rewrite, rules::Node};
use super::{Event, Events, EventsError};

/// What a route redacts, ready to be used.
#[derive(Debug)]
pub struct Redaction {
    root: Node,
    pseudonyms: Option<Pseudonyms>,
}

impl Redaction {
    /// Redaction by `rules`; pseudonyms are made with `key`. Without a key, what should be pseudonymised is masked.
    pub fn new(rules: &Rules, key: Option<&SecretString>) -> Self {
        Self { root: rules.compile(), pseudonyms: key.and_then(Pseudonyms::new) }
    }

    /// The `wanted` events of a page without what must not be seen. Each keeps the identity that it has at Okta. Fails only
    /// if they no longer fit into a page.
    pub fn apply(
        &self,
        events: &Events,
        wanted: impl FnMut(u32, &Event<'_>) -> bool,
    ) -> Result<Events, EventsError> {
        events.rewritten(wanted, |event, out| {
            let document = event.document();
            rewrite(document.text(), document.value(), &self.root, self.pseudonyms.as_ref(), out);
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn rules(rules: &[(Action, &str)]) -> Rules {
        let mut all = Rules::default();
        for (action, path) in rules {
            all.add(path, *action).unwrap();
        }
        all
    }

    fn apply(redaction: &Redaction, event: &str) -> Events {
        let events = Events::parse(Bytes::from(format!("[{event}]"))).unwrap();
        redaction.apply(&events, |_, _| true).unwrap()
    }

    fn redact_with(rules: &Rules, event: &str) -> String {
        let redaction = Redaction::new(rules, Some(&"a key of some length".into()));
        let redacted = apply(&redaction, event).get(0).unwrap().raw();
        String::from_utf8(redacted.to_vec()).unwrap()
    }

    fn redact(of: &[(Action, &str)], event: &str) -> String {
        redact_with(&rules(of), event)
    }

    use Action::{Drop, Keep, Mask, Pseudonymize};

    #[test]
    fn dropping_leaves_every_other_byte() {
        let drop = |path, event| redact(&[(Drop, path)], event);
        assert_eq!(
            drop("b", r#"{ "a" : 34.4740, "b":[1,{"c":"}"}] , "d":"\u00e9" }"#),
            r#"{ "a" : 34.4740 , "d":"\u00e9" }"#
        );
        assert_eq!(drop("a", r#"{ "a":1 , "b":2 }"#), r#"{ "b":2 }"#);
        assert_eq!(drop("b", r#"{ "a":1 , "b":2 }"#), r#"{ "a":1 }"#);
        assert_eq!(drop("a", r#"{ "a":1 }"#), "{  }");
        assert_eq!(drop("x.y", r#"{"x":{"z":1,"y":{"q":[]},"y":2},"y":3}"#), r#"{"x":{"z":1},"y":3}"#);
        assert_eq!(drop("nothing.here", r#"{"a":1.0e5}"#), r#"{"a":1.0e5}"#);
    }

    #[test]
    fn several_in_a_row_may_be_dropped() {
        let of = [(Drop, "a"), (Drop, "b"), (Drop, "d")];
        assert_eq!(redact(&of, r#"{"a":1,"b":2,"c":3,"d":4}"#), r#"{"c":3}"#);
        assert_eq!(redact(&of, r#"{"a":1, "b":2}"#), "{}");
        assert_eq!(redact(&of, r#"{"c":3, "d":4, "a":5, "e":6}"#), r#"{"c":3, "e":6}"#);
    }

    #[test]
    fn masking_keeps_the_shape_and_what_is_missing() {
        let event = r#"{"a":{"s":"x","n":1.50,"t":true,"z":null,"m":"unknown","e":"","l":["y",2,{"s":"z"}]},"b":"x"}"#;
        assert_eq!(
            redact(&[(Mask, "a")], event),
            r#"{"a":{"s":"***","n":null,"t":null,"z":null,"m":"unknown","e":"","l":["***",null,{"s":"***"}]},"b":"x"}"#
        );
    }

    #[test]
    fn equal_values_get_equal_pseudonyms_however_they_are_written() {
        let event = r#"{"a":"j\u00fcrgen","b":"jürgen","c":"jurgen","n":34.4740,"m":"34.4740","z":null,"u":"unknown"}"#;
        let redacted: Value = serde_json::from_str(&redact(&[(Pseudonymize, "*")], event)).unwrap();
        assert_eq!(redacted["a"], redacted["b"]);
        assert_ne!(redacted["a"], redacted["c"]);
        assert_eq!(redacted["n"], redacted["m"]);
        assert_eq!((&redacted["z"], &redacted["u"]), (&Value::Null, &json!("unknown")));
        let pseudonym = redacted["a"].as_str().unwrap();
        assert!(pseudonym.starts_with("hmac-") && pseudonym.len() == 37, "{pseudonym}");
    }

    #[test]
    fn a_pseudonym_is_the_hmac_of_rfc_4231() {
        // Test case 2: the key "Jefe", the first 16 bytes.
        let redaction = Redaction::new(&rules(&[(Pseudonymize, "a")]), Some(&"Jefe".into()));
        let redacted = apply(&redaction, r#"{"a":"what do ya want for nothing?"}"#);
        assert_eq!(redacted.get(0).unwrap().raw(), r#"{"a":"hmac-5bdcc146bf60754e6a042426089575c7"}"#);
    }

    #[test]
    fn without_a_key_what_should_be_pseudonymised_is_masked() {
        let redaction = Redaction::new(&rules(&[(Pseudonymize, "a")]), None);
        assert_eq!(apply(&redaction, r#"{"a":"x"}"#).get(0).unwrap().raw(), r#"{"a":"***"}"#);
    }

    #[test]
    fn a_path_goes_through_lists_and_any_member() {
        let event = r#"{"t":[{"n":"x","k":1},[{"n":"y"}],5],"d":{"e":{"n":"z"},"f":{"n":"w"}}}"#;
        let expected = r#"{"t":[{"n":"***","k":1},[{"n":"***"}],5],"d":{"e":{"n":"***"},"f":{"n":"***"}}}"#;
        assert_eq!(redact(&[(Mask, "t[].n"), (Mask, "d.*.n")], event), expected);
        assert_eq!(redact(&[(Mask, "t.n"), (Mask, "d.*.n")], event), expected);
    }

    #[test]
    fn a_path_may_ask_for_a_type() {
        let event = r#"{"t":[{"id":"1","type":"User"},{"type":"AppInstance","id":"2"},{"id":"3"}]}"#;
        assert_eq!(
            redact(&[(Mask, "t[User].id")], event),
            r#"{"t":[{"id":"***","type":"User"},{"type":"AppInstance","id":"2"},{"id":"3"}]}"#
        );
        assert_eq!(
            redact(&[(Mask, "t.*"), (Keep, "t[AppInstance]")], event),
            r#"{"t":[{"id":"***","type":"***"},{"type":"AppInstance","id":"2"},{"id":"***"}]}"#
        );
    }

    #[test]
    fn what_is_no_person_keeps_its_names_and_nothing_else() {
        let mut presets = Rules::default();
        presets.add_preset(Preset::Personal, Mask);
        presets.add_preset(Preset::Sensitive, Drop);
        let event = r#"{"actor":{"id":"1","type":"User"},"target":[
            {"id":"2","type":"AppInstance","detailEntry":{"userLogin":"x","k":"y"},"changeDetails":{"to":{"clientSecret":"z"}}},
            {"id":"3","type":"NewThing","displayName":"4"}]}"#;
        let expected = r#"{"actor":{"id":"***","type":"User"},"target":[
            {"id":"2","type":"AppInstance","detailEntry":{"k":"y"},"changeDetails":{"to":{}}},
            {"id":"***","type":"NewThing","displayName":"***"}]}"#;
        assert_eq!(redact_with(&presets, event), expected);
    }

    #[test]
    fn what_is_told_more_exactly_counts() {
        let event = r#"{"a":{"id":"1","name":"2","more":{"x":"3"}},"b":{"c":"4"}}"#;
        assert_eq!(redact(&[(Drop, "a"), (Keep, "a.id")], event), r#"{"a":{"id":"1"},"b":{"c":"4"}}"#);
        assert_eq!(
            redact(&[(Mask, "*"), (Keep, "a.more"), (Drop, "b")], event),
            r#"{"a":{"id":"***","name":"***","more":{"x":"3"}}}"#
        );
        assert_eq!(
            redact(&[(Drop, "a.*"), (Mask, "a.name")], event),
            r#"{"a":{"name":"***"},"b":{"c":"4"}}"#
        );
    }

    #[test]
    fn identity_type_and_time_stay_whatever_is_told() {
        let event = r#"{"uuid":"u","published":"p","eventType":"e","x":{"uuid":"v"}}"#;
        assert_eq!(
            redact(&[(Mask, "*")], event),
            r#"{"uuid":"u","published":"p","eventType":"e","x":{"uuid":"***"}}"#
        );
        for path in ["uuid", "published", "eventType", "eventType.x", "uuid[]"] {
            assert!(matches!(Rules::default().add(path, Mask), Err(RuleError::Protected(_))), "{path}");
        }
    }

    #[test]
    fn an_event_keeps_the_identity_that_it_has_at_okta() {
        let redaction = Redaction::new(&rules(&[(Drop, "a")]), None);
        let events =
            Events::parse(Bytes::from_static(br#"[{"a":1,"b":1},{"a":2,"b":1},{"uuid":"u","a":3}]"#))
                .unwrap();
        let redacted = redaction.apply(&events, |index, _| index != 1).unwrap();
        let identities =
            |events: &Events| events.iter().map(|event| event.identity().into_owned()).collect::<Vec<_>>();
        let all = identities(&events);
        assert_eq!(identities(&redacted), [all[0].clone(), all[2].clone()]);
        assert_eq!(redacted.get(0).unwrap().uuid(), None);
        let again = redaction.apply(&redacted, |_, _| true).unwrap();
        assert_eq!(identities(&again), identities(&redacted));
    }

    #[test]
    fn what_is_made_of_an_event_tells_nothing_of_what_was_redacted() {
        let redaction =
            Redaction::new(&rules(&[(Pseudonymize, "target.id"), (Drop, "actor.id")]), Some(&"k".into()));
        let events = apply(&redaction, r#"{"actor":{"id":"00a"},"target":[{"id":"00t","type":"User"}]}"#);
        let event = events.get(0).unwrap();
        assert!(event.subject().unwrap().starts_with("hmac-"));
        assert_eq!(event.actor_id(), None);
    }

    #[test]
    fn of_two_types_the_last_counts_as_it_does_for_readers() {
        let of = [(Mask, "t.*"), (Keep, "t[AppInstance]")];
        let person = r#"{"t":{"type":"AppInstance","n":"x","type":"User"}}"#;
        assert_eq!(redact(&of, person), r#"{"t":{"type":"***","n":"***","type":"***"}}"#);
        let app = r#"{"t":{"type":"User","n":"x","type":"AppInstance"}}"#;
        assert_eq!(redact(&of, app), app);
    }

    #[test]
    fn what_is_no_unicode_and_no_double_is_redacted_and_costs_no_identity() {
        let event = r#"{"uuid":"u","a":{"\ud800":"\ud800","n":1e999},"b":1e999,"severity":"\udc00"}"#;
        let redaction = Redaction::new(&rules(&[(Mask, "a"), (Drop, "severity")]), None);
        let redacted = apply(&redaction, event);
        let only = redacted.get(0).unwrap();
        assert_eq!(only.raw(), r#"{"uuid":"u","a":{"\ud800":"***","n":null},"b":1e999}"#);
        assert_eq!(only.identity(), "u");
    }

    #[test]
    fn an_escaped_name_hides_nothing() {
        assert_eq!(redact(&[(Drop, "actor")], r#"{"\u0061ctor":1,"b":2}"#), r#"{"b":2}"#);
        assert_eq!(redact(&[(Mask, "a.b")], r#"{"a":{"\u0062":"\ud800"}}"#), r#"{"a":{"\u0062":"***"}}"#);
    }

    /// Readers of the event make objects of such texts and lists again.
    #[test]
    fn what_has_become_a_text_or_a_list_of_names_hides_nothing() {
        let of = [(Drop, "d.secret"), (Mask, "t[User].name"), (Keep, "k.x")];
        for (event, redacted) in [
            (r#"{"d":"{\"secret\":1}"}"#, r#"{"d":"***"}"#),
            (r#"{"d":["{secret=1}", {"secret":1,"x":2}]}"#, r#"{"d":["***", {"x":2}]}"#),
            (r#"{"d":[{"name":"secret","value":1},{"Key":"x","Value":2}]}"#, r#"{"d":[null,null]}"#),
            (
                r#"{"t":["{type=User, name=Ada}",{"type":"Rule","name":"r"}]}"#,
                r#"{"t":["***",{"type":"Rule","name":"r"}]}"#,
            ),
            (r#"{"d":" ","t":"unknown","k":"{x=1}"}"#, r#"{"d":" ","t":"unknown","k":"{x=1}"}"#),
            (r#"{"d":{"Secret":1," secret ":2,"SECRET":3}}"#, r#"{"d":{"SECRET":3}}"#),
        ] {
            assert_eq!(redact(&of, event), redacted, "{event}");
        }
    }

    #[test]
    fn deep_nesting_stops_nothing() {
        let deep = format!(r#"{{"x":{}"s"{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(redact(&[(Mask, "x.y"), (Mask, "x")], &deep), deep.replace("\"s\"", "\"***\""));
        assert_eq!(redact(&[(Drop, "x")], &deep), "{}");
    }

    #[test]
    fn events_that_are_no_objects_stay() {
        for event in ["1", "null", r#""text""#, "[]", "[[1],{}]"] {
            assert_eq!(redact(&[(Drop, "a"), (Mask, "*")], event), event);
        }
    }

    /// Any JSON, with the names that the rules below speak of.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-z\"\\\\\u{e9}{}\\[\\],: ]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 48, 6, |inner| {
            let name = prop_oneof!["[abc]", "[\"\\\\a]{0,3}", Just("type".to_owned())];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((name, inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// The same redaction, done the plain way on a tree: `a` is dropped, `b.c` masked, wherever lists stand between.
    fn plainly(value: &Value, path: &[&str]) -> Value {
        match value {
            Value::Array(items) => items.iter().map(|item| plainly(item, path)).collect(),
            Value::Object(members) => {
                let kept = members.iter().filter(|(name, _)| !(path.is_empty() && *name == "a"));
                let members = kept.map(|(name, value)| match (path, name.as_str()) {
                    ([], "b") => (name.clone(), plainly(value, &["b"])),
                    (["b"], "c") => (name.clone(), masked(value)),
                    _ => (name.clone(), value.clone()),
                });
                Value::Object(members.collect())
            }
            // Nobody knows what of it is `c`.
            Value::String(text) if path == ["b"] && !text.trim().is_empty() => json!("***"),
            other => other.clone(),
        }
    }

    fn masked(value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(masked).collect(),
            Value::Object(members) => {
                Value::Object(members.iter().map(|(name, value)| (name.clone(), masked(value))).collect())
            }
            Value::String(text) if !text.is_empty() => json!("***"),
            Value::String(text) => json!(text),
            _ => Value::Null,
        }
    }

    proptest! {
        #[test]
        fn the_outcome_is_that_of_the_plain_way(event in any_json()) {
            for text in [event.to_string(), serde_json::to_string_pretty(&event).unwrap()] {
                let redacted = redact(&[(Drop, "a"), (Mask, "b.c")], &text);
                prop_assert_eq!(serde_json::from_str::<Value>(&redacted).unwrap(), plainly(&event, &[]), "{}", text);
            }
        }

        #[test]
        fn rules_that_meet_nothing_change_nothing(event in any_json()) {
            for text in [event.to_string(), serde_json::to_string_pretty(&event).unwrap()] {
                prop_assert_eq!(redact(&[(Drop, "x.*.y"), (Mask, "y.b.x"), (Pseudonymize, "z[X].z")], &text), text);
            }
        }

        #[test]
        fn no_value_survives_a_mask_on_everything(event in any_json()) {
            let redacted = redact(&[(Mask, "*")], &json!({ "x": event }).to_string());
            prop_assert_eq!(&serde_json::from_str::<Value>(&redacted).unwrap()["x"], &masked(&event));
        }
    }
}
