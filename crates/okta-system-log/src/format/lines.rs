//! JSON lines: one value a line, whatever its white space.

/// Appends `json` as one line. A line break can only stand between tokens in JSON, where a space means the same.
pub fn push_line(json: &[u8], lines: &mut Vec<u8>) {
    let mut rest = json;
    while let Some(at) = memchr::memchr2(b'\n', b'\r', rest) {
        lines.extend_from_slice(&rest[..at]);
        lines.push(b' ');
        rest = &rest[at + 1..];
    }
    lines.extend_from_slice(rest);
    lines.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_one_line_and_means_the_same() {
        let json = "{\n\"a\": \"x\\ny\",\r\n\"b\":2}";
        let mut lines = Vec::new();
        push_line(json.as_bytes(), &mut lines);
        push_line(b"{}", &mut lines);
        let text = String::from_utf8(lines).unwrap();
        assert_eq!(text, "{ \"a\": \"x\\ny\",  \"b\":2}\n{}\n");
        let before: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(text.lines().next().unwrap()).unwrap(), before);
    }
}
