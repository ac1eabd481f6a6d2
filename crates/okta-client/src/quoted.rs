//! Quoted strings in HTTP headers (RFC 9110, section 5.6.4), as in links and challenges.

/// Reads a quoted string. `quoted` begins after the opening quote. Returns the text and what follows the closing quote.
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
