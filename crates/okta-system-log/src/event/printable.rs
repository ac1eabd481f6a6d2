//! Text as a CloudEvents attribute may have it, whatever an event says.

use std::fmt::Write as _;

/// Appends `text`. What CloudEvents forbids in a string (control characters and noncharacters) is percent-encoded, and `%`
/// with it, so that two texts never become one.
pub fn push_printable(text: &str, out: &mut String) {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'%') {
        out.push_str(text);
        return;
    }
    for c in text.chars() {
        if c.is_control() || c == '%' || is_noncharacter(c) {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to memory cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        } else {
            out.push(c);
        }
    }
}

/// Whether `c` is for no text at all (Unicode, section 23.7).
pub fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cloudevents_forbids_is_changed() {
        let printable = |text: &str| {
            let mut out = String::new();
            push_printable(text, &mut out);
            out
        };
        for text in ["", "00u1", "J\u{fc}rgen \"x\" \u{1f600}", " "] {
            assert_eq!(printable(text), text);
        }
        assert_eq!(printable("a\r\nb"), "a%0D%0Ab");
        assert_eq!(printable("a%0Ab"), "a%250Ab");
        assert_eq!(printable("\u{7f}\u{85}\u{fdd0}\u{1ffff}"), "%7F%C2%85%EF%B7%90%F0%9F%BF%BF");
    }
}
