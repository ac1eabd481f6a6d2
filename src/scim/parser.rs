//! The grammar: comparisons joined by `and` and `or`, turned round by `not`, grouped by parentheses.

use super::{
    FilterError,
    lexer::{Kind, Token, tokens},
};

/// Parentheses within each other, at most.
const DEPTH_MAX: usize = 50;

const OPERATORS: [&str; 10] = ["eq", "ne", "co", "sw", "ew", "pr", "gt", "ge", "lt", "le"];
/// Attributes that Okta does not search for a part of.
const NO_CONTAINS: [&str; 2] = ["debugContext.debugData.url", "debugContext.debugData.requestUri"];

/// Looks whether `filter` is one that Okta could take.
pub(super) fn check(filter: &str) -> Result<(), FilterError> {
    let tokens = tokens(filter)?;
    if tokens.is_empty() {
        return Err(FilterError::new(filter, 0, "the filter is empty: leave it out to get everything"));
    }
    let mut parser = Parser { filter, tokens, next: 0, depth: 0 };
    parser.expression()?;
    match parser.peek() {
        None => Ok(()),
        Some(Token { at, kind: Kind::Close }) => {
            Err(parser.error(at, "there is no opening parenthesis to this one"))
        }
        Some(Token { at, .. }) => Err(parser.error(at, "expected `and` or `or` between comparisons")),
    }
}

struct Parser<'a> {
    filter: &'a str,
    tokens: Vec<Token<'a>>,
    next: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn expression(&mut self) -> Result<(), FilterError> {
        self.term()?;
        while self.take_word("and") || self.take_word("or") {
            self.term()?;
        }
        Ok(())
    }

    fn term(&mut self) -> Result<(), FilterError> {
        while self.take_word("not") {}
        let Some(token) = self.take() else {
            return Err(self.error(self.filter.len(), "expected a comparison, such as eventType eq \"…\""));
        };
        match token.kind {
            Kind::Open => self.group(token.at),
            Kind::Word(attribute) => self.comparison(token.at, attribute),
            Kind::Close => Err(self.error(token.at, "expected a comparison before this parenthesis")),
            Kind::Text => {
                Err(self.error(token.at, "expected an attribute, such as eventType, and not a text"))
            }
        }
    }

    fn group(&mut self, opened_at: usize) -> Result<(), FilterError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(opened_at, format!("more than {DEPTH_MAX} parentheses within each other")));
        }
        self.expression()?;
        self.depth -= 1;
        match self.take() {
            Some(Token { kind: Kind::Close, .. }) => Ok(()),
            Some(Token { at, .. }) => Err(self.error(at, "expected `and`, `or` or a closing parenthesis")),
            None => Err(self.error(opened_at, "this parenthesis is not closed")),
        }
    }

    fn comparison(&mut self, at: usize, attribute: &str) -> Result<(), FilterError> {
        self.require_attribute(at, attribute)?;
        let operator = match self.take() {
            Some(Token { at, kind: Kind::Word(word) }) => self.operator(at, word)?,
            Some(Token { at, .. }) => return Err(self.error(at, expected_operator(""))),
            None => return Err(self.error(self.filter.len(), expected_operator(""))),
        };
        if operator == "co" && NO_CONTAINS.contains(&attribute) {
            return Err(self.error(at, format!("Okta does not search `{attribute}` with `co`: use sw or eq")));
        }
        if operator == "pr" {
            return Ok(());
        }
        match self.take() {
            Some(Token { kind: Kind::Text, .. }) => Ok(()),
            Some(Token { kind: Kind::Word(word), .. }) if is_value(word) => Ok(()),
            Some(Token { at, .. }) => Err(self.error(at, "expected a value: text stands in double quotes")),
            None => Err(self.error(self.filter.len(), format!("expected a value after `{operator}`"))),
        }
    }

    fn require_attribute(&self, at: usize, attribute: &str) -> Result<(), FilterError> {
        let is_name = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "_-$".contains(c))
        };
        if !attribute.split('.').all(is_name) {
            return Err(self.error(at, format!("`{attribute}` is no attribute of an event")));
        }
        if attribute == "published" {
            let reason = "Okta does not filter by `published`: the window says from when to when";
            return Err(self.error(at, reason));
        }
        if attribute == "target.changeDetails" || attribute.starts_with("target.changeDetails.") {
            return Err(self.error(at, "Okta does not search `target.changeDetails`"));
        }
        Ok(())
    }

    fn operator(&self, at: usize, word: &'a str) -> Result<&'static str, FilterError> {
        let known = OPERATORS.into_iter().find(|operator| operator.eq_ignore_ascii_case(word));
        known.ok_or_else(|| self.error(at, expected_operator(word)))
    }

    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).copied()
    }

    fn take(&mut self) -> Option<Token<'a>> {
        let token = self.peek();
        self.next += usize::from(token.is_some());
        token
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        let is_there = matches!(self.peek(), Some(Token { kind: Kind::Word(word), .. }) if word.eq_ignore_ascii_case(wanted));
        self.next += usize::from(is_there);
        is_there
    }

    fn error(&self, at: usize, reason: impl Into<String>) -> FilterError {
        FilterError::new(self.filter, at, reason)
    }
}

fn expected_operator(word: &str) -> String {
    let known = OPERATORS.join(", ");
    if word.is_empty() {
        return format!("expected an operator: {known}");
    }
    let nearest = OPERATORS
        .into_iter()
        .max_by(|a, b| strsim::jaro_winkler(word, a).total_cmp(&strsim::jaro_winkler(word, b)));
    match nearest.filter(|nearest| strsim::jaro_winkler(word, nearest) > 0.7) {
        Some(nearest) => format!("there is no operator `{word}`; did you mean `{nearest}`?"),
        None => format!("there is no operator `{word}`; there are {known}"),
    }
}

/// A number, a truth value or null.
fn is_value(word: &str) -> bool {
    use serde_json::Value::{Bool, Null, Number};
    matches!(serde_json::from_str(word), Ok(Bool(_) | Null | Number(_)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is under the caret, and the reason.
    fn fault(filter: &str) -> (String, String) {
        let told = check(filter).unwrap_err().to_string();
        let lines: Vec<_> = told.split('\n').collect();
        let caret = lines[lines.len() - 1].chars().count() - 1;
        let under = lines[lines.len() - 2].chars().skip(caret).take_while(|c| !c.is_whitespace()).collect();
        (under, lines[0].to_owned())
    }

    #[test]
    fn what_okta_takes_is_taken() {
        for filter in [
            r#"eventType eq "user.session.start""#,
            r#"eventType SW "user." AND (outcome.result eq "FAILURE" or outcome.result eq "DENY")"#,
            r#"not (actor.id ne "00u1") and target.id pr"#,
            r#"actor.displayName co "a \"quoted\" näme \u00e9""#,
            "severity pr",
            "client.geographicalContext.geolocation.lat gt 52.5",
            "securityContext.isProxy eq true",
            r#"debugContext.debugData.url sw "/api""#,
        ] {
            assert_eq!(check(filter), Ok(()), "{filter}");
        }
    }

    #[test]
    fn the_caret_is_under_the_fault() {
        for (filter, under, reason) in [
            (r#"eventType eqq "x""#, "eqq", "did you mean `eq`?"),
            (r#"actor.displayName eq "Zoë" andd severity pr"#, "andd", "expected `and` or `or`"),
            (r#"published gt "2026-01-01T00:00:00Z""#, "published", "does not filter by `published`"),
            (r#"eventType eq user.session.start"#, "user.session.start", "double quotes"),
            (r#"eventType eq 'x'"#, "'x'", "double quotes"),
            (r#"target[type eq "User"]"#, "[type", "does not take `[ ]`"),
            (r#"(eventType eq "x""#, "(eventType", "is not closed"),
            (r#"eventType eq "x")"#, ")", "no opening parenthesis"),
            (r#"eventType eq "x"#, "\"x", "does not end"),
            (r#"eventType eq "a\q""#, "q\"", "JSON string"),
            (r#"debugContext.debugData.url co "x""#, "debugContext.debugData.url", "does not search"),
            (r#"target.changeDetails.from eq "x""#, "target.changeDetails.from", "does not search"),
            ("eventType", "", "expected an operator"),
            ("eventType eq", "", "expected a value"),
            ("actor eq {}", "{}", "expected a value"),
            ("  ", "", "is empty"),
            ("and", "", "expected an operator"),
        ] {
            let (found, told) = fault(filter);
            assert!(told.contains(reason), "{filter}: {told}");
            assert_eq!(found, under, "{filter}: {told}");
        }
        assert!(check(&"(".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_survived_and_the_caret_stays_within(filter in r#"[a-z "'\\()\[\]é.eq]{0,40}"#) {
            if let Err(err) = check(&filter) {
                let told = err.to_string();
                let caret = told.lines().last().unwrap().chars().count();
                prop_assert!(caret <= 4 + filter.chars().count() + 1, "{}", told);
            }
        }
    }
}
