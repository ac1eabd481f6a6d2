//! JSON as the strictest reader takes it (RFC 7493, I-JSON): no name twice in an object, no half of a surrogate pair, no
//! number beyond a double. Okta sends none of that, and no event is refused for it.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    ops::Range,
};

use super::json::{Tape, Value, is_huge, with_whole_characters};

/// `json`, which is one JSON value, with everything in it in a form that any reader takes; nothing is lost.
///
/// Where a name occurs twice the last one keeps it, as most readers have it, and the others become `name#1` and so on. Half
/// of a surrogate pair is told as it was written, backslash and all. A number beyond a double becomes a text.
pub fn repaired(json: &str) -> Cow<'_, str> {
    let Some((tape, _)) = Tape::of(json).filter(|(_, read)| read.is_odd) else { return Cow::Borrowed(json) };
    let mut edits: Vec<_> = (0..tape.len()).flat_map(|at| edits(Value::new(json, &tape, at))).collect();
    edits.sort_unstable_by_key(|edit| edit.range.start);
    let mut whole = String::with_capacity(json.len() + 64);
    let mut copied = 0;
    for Edit { range, text } in edits {
        whole.push_str(json.get(copied..range.start).unwrap_or_default());
        whole.push_str(&text);
        copied = range.end;
    }
    whole.push_str(json.get(copied..).unwrap_or_default());
    Cow::Owned(whole)
}

/// What stands in place of a part of the text.
#[derive(Debug)]
struct Edit {
    range: Range<usize>,
    text: String,
}

/// A member's name.
#[derive(Debug)]
struct Name<'a> {
    /// With its quotation marks.
    range: Range<usize>,
    text: &'a str,
    /// Whether it has to be rewritten, even if no other has it.
    is_odd: bool,
}

/// What has to be written in another way: the value if it is a scalar, the names of its members if it is an object.
fn edits(value: Value<'_, '_>) -> Vec<Edit> {
    let (range, raw) = (value.place(), value.raw());
    let instead = match value.first_byte() {
        b'{' => return edits_of_names(value),
        b'"' => with_whole_characters(raw),
        b'-' | b'0'..=b'9' if is_huge(raw) => Some(format!("\"{raw}\"")),
        _ => None,
    };
    instead.map(|text| Edit { range, text }).into_iter().collect()
}

fn edits_of_names(object: Value<'_, '_>) -> Vec<Edit> {
    let names = object.members().map(|member| {
        let (range, quoted) = member.quoted_name();
        Name { range, text: member.name(), is_odd: with_whole_characters(quoted).is_some() }
    });
    told_apart(names.collect())
}

/// The names that have to be written in another way, so that all of them differ and are whole.
fn told_apart(names: Vec<Name<'_>>) -> Vec<Edit> {
    let last: HashMap<&str, usize> =
        names.iter().enumerate().map(|(index, name)| (name.text, index)).collect();
    let mut taken: HashSet<String> = HashSet::new();
    let mut counted: HashMap<&str, usize> = HashMap::new();
    let mut edits = Vec::new();
    for (index, Name { range, text, is_odd }) in names.into_iter().enumerate() {
        if last.get(text) == Some(&index) {
            if is_odd {
                edits.push(Edit { range, text: quoted(text) });
            }
            continue;
        }
        let count = counted.entry(text).or_default();
        let free = loop {
            *count += 1;
            let candidate = format!("{text}#{count}");
            if !last.contains_key(&*candidate) && taken.insert(candidate.clone()) {
                break candidate;
            }
        };
        edits.push(Edit { range, text: quoted(&free) });
    }
    edits
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};
    use serde_json::Value;

    use super::*;

    /// JSON by its grammar, with what each part of it becomes.
    #[derive(Debug, Clone)]
    enum Odd {
        /// As it is written, and as any reader takes it.
        Scalar(&'static str, &'static str),
        Array(Vec<Odd>),
        /// Each name as it is written and what it says.
        Object(Vec<((&'static str, &'static str), Odd)>),
    }

    impl Odd {
        fn written(&self) -> String {
            match self {
                Self::Scalar(written, _) => (*written).to_owned(),
                Self::Array(elements) => {
                    format!("[{}]", elements.iter().map(Self::written).collect::<Vec<_>>().join(" ,"))
                }
                Self::Object(members) => {
                    let member = |((name, _), value): &(_, Self)| format!("\"{name}\": {}", value.written());
                    format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
                }
            }
        }

        fn repaired(&self) -> String {
            match self {
                Self::Scalar(_, repaired) => (*repaired).to_owned(),
                Self::Array(elements) => {
                    format!("[{}]", elements.iter().map(Self::repaired).collect::<Vec<_>>().join(" ,"))
                }
                Self::Object(members) => {
                    let said: Vec<&str> = members.iter().map(|((_, said), _)| *said).collect();
                    let mut taken: Vec<String> = said.iter().map(|name| (*name).to_owned()).collect();
                    let mut parts = Vec::new();
                    for (index, ((written, name), value)) in members.iter().enumerate() {
                        let name = if said[index + 1..].contains(name) {
                            let free = (1..).map(|count| format!("{name}#{count}"));
                            let free = free.into_iter().find(|free| !taken.contains(free)).unwrap();
                            taken.push(free.clone());
                            quoted(&free)
                        } else if *written == r"\ud800" {
                            quoted(name)
                        } else {
                            format!("\"{written}\"")
                        };
                        parts.push(format!("{name}: {}", value.repaired()));
                    }
                    format!("{{{}}}", parts.join(","))
                }
            }
        }
    }

    fn odd() -> impl Strategy<Value = Odd> {
        let leaf = select(vec![
            ("1.50", "1.50"),
            ("1e999", "\"1e999\""),
            ("-1E400", "\"-1E400\""),
            ("null", "null"),
            (r#""é \n \ud83d\ude00""#, r#""é \n \ud83d\ude00""#),
            (r#""\ud800""#, r#""\\ud800""#),
            (r#""\\\udc00\uD800x""#, r#""\\\\udc00\\uD800x""#),
        ]);
        leaf.prop_map(|(written, repaired)| Odd::Scalar(written, repaired)).prop_recursive(
            4,
            64,
            8,
            |inner| {
                let name = select(vec![
                    ("a", "a"),
                    (r"\u0061", "a"),
                    ("a#1", "a#1"),
                    ("b", "b"),
                    (r"\ud800", r"\ud800"),
                    (r"\\ud800", r"\ud800"),
                    ("", ""),
                ]);
                prop_oneof![
                    vec(inner.clone(), 0..5).prop_map(Odd::Array),
                    vec((name, inner), 0..8).prop_map(Odd::Object),
                ]
            },
        )
    }

    proptest! {
        #[test]
        fn the_outcome_is_that_of_the_plain_way(odd in odd()) {
            let written = odd.written();
            let outcome = repaired(&written);
            prop_assert_eq!(&*outcome, odd.repaired(), "{}", written);
            prop_assert_eq!(&*repaired(&outcome), &*outcome);
            prop_assert!(serde_json::from_str::<Value>(&outcome).is_ok());
        }
    }

    #[test]
    fn what_any_reader_takes_stays_byte_for_byte() {
        for json in [
            r#"{ "a" : [1, 2.50, -1e3, {"b":"\ud83d\ude00 \\ud800 \" ,{"}], "c":{"a":null} , "" : true}"#,
            "5",
            "\"text\"",
            "[[],{}]",
            "",
        ] {
            assert!(matches!(repaired(json), Cow::Borrowed(same) if same == json), "{json}");
        }
    }

    #[test]
    fn names_that_occur_twice_are_told_apart_and_the_last_keeps_its_own() {
        for (json, expected) in [
            (r#"{"a":1,"a":2}"#, r#"{"a#1":1,"a":2}"#),
            (r#"{"a":1,"b":{"x":1,"x":2},"a":2,"a":3}"#, r#"{"a#1":1,"b":{"x#1":1,"x":2},"a#2":2,"a":3}"#),
            (r#"{"a":1,"a#1":2,"\u0061":3}"#, r#"{"a#2":1,"a#1":2,"\u0061":3}"#),
            (r#"[{"a":[{"b":1,"b":2}]},{"a":1}]"#, r#"[{"a":[{"b#1":1,"b":2}]},{"a":1}]"#),
            (r#"{"":1,"":2}"#, r##"{"#1":1,"":2}"##),
        ] {
            assert_eq!(repaired(json), expected);
        }
        let many: Vec<_> = (0..50).map(|number| format!("\"n{}\":{number}", number % 40)).collect();
        let repaired: Value = serde_json::from_str(&repaired(&format!("{{{}}}", many.join(",")))).unwrap();
        assert_eq!(repaired.as_object().unwrap().len(), 50);
        assert_eq!((&repaired["n3"], &repaired["n3#1"]), (&43.into(), &3.into()));
    }

    #[test]
    fn half_of_a_pair_is_told_as_it_was_written() {
        for (json, expected) in [
            (r#""\ud800""#, r#""\\ud800""#),
            (r#""\uDC00\uD800x\ud83d\ude00\ud83d""#, r#""\\uDC00\\uD800x\ud83d\ude00\\ud83d""#),
            (r#""\\\ud800\"""#, r#""\\\\ud800\"""#),
            (r#"{"\udfff":1,"b":"\ud800\ud800"}"#, r#"{"\\udfff":1,"b":"\\ud800\\ud800"}"#),
            (r#"{"\ud800":1,"\\ud800":2}"#, r#"{"\\ud800#1":1,"\\ud800":2}"#),
        ] {
            assert_eq!(repaired(json), expected);
            assert!(serde_json::from_str::<Value>(&repaired(json)).is_ok());
        }
    }

    #[test]
    fn numbers_beyond_a_double_become_texts_or_nothing() {
        let digits = "9".repeat(400);
        let json = format!("[1e999,-1E400,{digits},1e-999,1e308,{}]", "9".repeat(305));
        let expected = format!("[\"1e999\",\"-1E400\",\"{digits}\",1e-999,1e308,{}]", "9".repeat(305));
        assert_eq!(repaired(&json), expected);
    }

    #[test]
    fn depth_and_length_end_nothing() {
        let deep = format!("{}1e999{}", r#"{"a":1,"a":["#.repeat(200_000), "]}".repeat(200_000));
        let repaired = repaired(&deep);
        assert_eq!(repaired.matches("a#1").count(), 200_000);
        assert!(repaired.contains("\"1e999\""));
    }
}
