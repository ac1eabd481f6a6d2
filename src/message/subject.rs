//! How patterns of NATS subjects lie to each other: those that a stream takes, those that we publish on or read.

/// Whether every subject that matches `wildcard` matches `pattern`.
pub(crate) fn covers(pattern: &str, wildcard: &str) -> bool {
    let (mut pattern, mut wildcard) = (pattern.split('.'), wildcard.split('.'));
    loop {
        match (pattern.next(), wildcard.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(token)) if token != ">" => {}
            (Some(token), Some(same)) if token == same => {}
            _ => return false,
        }
    }
}

/// Whether some subject matches both.
pub(crate) fn overlap(pattern: &str, wildcard: &str) -> bool {
    let (mut pattern, mut wildcard) = (pattern.split('.'), wildcard.split('.'));
    loop {
        match (pattern.next(), wildcard.next()) {
            (Some(">"), Some(_)) | (Some(_), Some(">")) | (None, None) => return true,
            (Some(one), Some(other)) if one == other || one == "*" || other == "*" => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_it_matches_altogether() {
        for (pattern, wildcard) in [
            ("okta.>", "okta.acme.>"),
            ("okta.>", "okta.*.x"),
            (">", "okta"),
            ("okta.*.>", "okta.*.>"),
            ("okta.*.x", "okta.acme.x"),
            ("okta.all", "okta.all"),
        ] {
            assert!(covers(pattern, wildcard), "{pattern} {wildcard}");
        }
        for (pattern, wildcard) in [
            ("okta.acme.>", "okta.*.>"),
            ("okta.*", "okta.>"),
            ("okta.*", "okta.a.b"),
            ("okta.*.*", "okta.a"),
            ("okta.>", "okta"),
            ("okta.x", "okta.*"),
        ] {
            assert!(!covers(pattern, wildcard), "{pattern} {wildcard}");
        }
    }

    #[test]
    fn what_has_a_subject_in_common_overlaps() {
        for (pattern, wildcard) in
            [("okta.acme.>", "okta.*.>"), ("okta.*", "okta.>"), ("*.x", "okta.*"), ("okta.>", "okta.acme.>")]
        {
            assert!(overlap(pattern, wildcard) && overlap(wildcard, pattern), "{pattern} {wildcard}");
        }
        for (pattern, wildcard) in [("okta.a.>", "okta.b.>"), ("okta.>", "okta"), ("okta.*", "okta.a.b")] {
            assert!(!overlap(pattern, wildcard) && !overlap(wildcard, pattern), "{pattern} {wildcard}");
        }
    }
}
