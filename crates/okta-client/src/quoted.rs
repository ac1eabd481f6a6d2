//! The quoted strings of HTTP headers (RFC 9110, section 5.6.4), which links and challenges have.

/// What the quoted string says of which `quoted` is all but the opening quote, and what comes after it.
pub(super) fn quoted_string(quoted: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    (value, "")
}
