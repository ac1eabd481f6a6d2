//! JSON whose grammar is right but whose values no reader can hold: half a surrogate pair in a text or a name, a number
//! beyond what 64 bits can say. Such a value is made `null`, so that the rest can be read.

use std::borrow::Cow;

/// The well-formed `json` with `null` in place of every value that cannot be held, and `""` in place of such a name.
pub(super) fn readable(json: &str) -> String {
    let mut readable = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(first) = rest.bytes().next() {
        let length = match first {
            b'"' => text_length(rest),
            b'-' | b'0'..=b'9' => number_length(rest),
            // Letters of `true`, `false` and `null`, brackets, space: outside texts there is only ASCII.
            _ => 1,
        };
        let (token, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        readable.push_str(match first {
            b'"' if !is_text(token) && is_name(after) => r#""""#,
            b'"' if !is_text(token) => "null",
            b'-' | b'0'..=b'9' if !is_number(token) => "null",
            _ => token,
        });
        rest = after;
    }
    readable
}

/// The length of the text with which `json` begins, with its quotes.
fn text_length(json: &str) -> usize {
    let mut is_escaped = false;
    let end = json.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    end.map_or(json.len(), |end| end + 2)
}

fn number_length(json: &str) -> usize {
    json.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')).count()
}

fn is_text(token: &str) -> bool {
    !token.contains('\\') || serde_json::from_str::<Cow<'_, str>>(token).is_ok()
}

fn is_number(token: &str) -> bool {
    token.parse::<f64>().is_ok_and(f64::is_finite)
}

fn is_name(after: &str) -> bool {
    after.trim_start().starts_with(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_held_stays_byte_for_byte() {
        for json in [
            r#"{ "a\"\\": [1.50, -2e3, true, null, "é\u00e9\ud83d\ude00"] }"#,
            "5",
            r#""x""#,
            r#""\\""#,
            "[]",
        ] {
            assert_eq!(readable(json), json);
        }
    }

    #[test]
    fn what_cannot_be_held_is_null() {
        assert_eq!(readable(r#"{"a":"\ud800" ,"b":1e999,"c":"é"}"#), r#"{"a":null ,"b":null,"c":"é"}"#);
        assert_eq!(readable(r#"{"\udc00" : [-1e999]}"#), r#"{"" : [null]}"#);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(text in ".*") {
            let _ = readable(&text);
        }
    }
}
