//! `Link` headers by RFC 8288: parameters in any order, quoted or not, several links in a line or a line a link.

use super::quoted::quoted_string;

/// The target of the first link whose relation is `relation`, over all `Link` header lines.
pub(super) fn find<'a>(lines: impl IntoIterator<Item = &'a str>, relation: &str) -> Option<&'a str> {
    lines.into_iter().find_map(|line| find_in_line(line, relation))
}

fn find_in_line<'a>(line: &'a str, relation: &str) -> Option<&'a str> {
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        let (target, after) = rest.strip_prefix('<')?.split_once('>')?;
        let (is_wanted, after) = read_parameters(after, relation);
        if is_wanted {
            return Some(target);
        }
        rest = after;
    }
}

/// Reads the parameters of one link: whether its relation is the wanted one, and what comes after them.
fn read_parameters<'a>(mut rest: &'a str, relation: &str) -> (bool, &'a str) {
    // Only the first `rel` counts (RFC 8288, section 3.3).
    let mut found = None;
    loop {
        rest = rest.trim_start();
        let Some(after) = rest.strip_prefix(';') else { return (found.unwrap_or(false), rest) };
        let after = after.trim_start();
        let name_end = after.find(['=', ';', ',']).unwrap_or(after.len());
        let (name, after) = after.split_at(name_end);
        let (value, after) = match after.strip_prefix('=') {
            Some(value) => read_value(value.trim_start()),
            None => (String::new(), after),
        };
        if found.is_none() && name.trim_end().eq_ignore_ascii_case("rel") {
            found = Some(value.split_ascii_whitespace().any(|rel| rel.eq_ignore_ascii_case(relation)));
        }
        rest = after;
    }
}

fn read_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',']).unwrap_or(text.len());
        return (text[..end].trim_end().to_owned(), &text[end..]);
    };
    quoted_string(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXT: &str = "https://acme.okta.com/api/v1/logs?after=1627500044869_1";

    #[test]
    fn two_lines_or_one_are_the_same() {
        let own = r#"<https://acme.okta.com/api/v1/logs>; rel="self""#;
        let next = format!(r#"<{NEXT}>; rel="next""#);
        assert_eq!(find([own, &next], "next"), Some(NEXT));
        assert_eq!(find([format!("{own}, {next}").as_str()], "next"), Some(NEXT));
        assert_eq!(find([format!("{own},{next}").as_str()], "next"), Some(NEXT));
        assert_eq!(find([own], "next"), None);
    }

    #[test]
    fn commas_and_semicolons_inside_belong_to_the_target_or_the_quotes() {
        let line = r#"<https://a/?q=1,2;3>; title="x, \"rel=next\"; y"; rel=next"#;
        assert_eq!(find([line], "next"), Some("https://a/?q=1,2;3"));
    }

    #[test]
    fn relations_are_a_list_without_case_and_the_first_rel_counts() {
        assert_eq!(find([r#"<https://a/>;REL="prev Next""#], "next"), Some("https://a/"));
        assert_eq!(find([r#"<https://a/>; rel=self; rel=next"#], "next"), None);
    }

    #[test]
    fn nonsense_gives_nothing_and_never_panics() {
        for line in [
            "",
            "<",
            "<a",
            "a>",
            "<a>",
            "<a>;",
            "<a>;rel",
            "<a>;rel=",
            "<a>;rel=\"next",
            ",,,",
            "<a>;rel=x,<",
        ] {
            let _ = find([line], "next");
            assert_eq!(find([line], "other"), None, "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(line in ".*") {
            let _ = find([line.as_str()], "next");
        }
    }
}
