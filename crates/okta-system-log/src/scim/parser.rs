//! The grammar: comparisons joined by `and` and `or`, turned round by `not`, grouped by parentheses.

use std::borrow::Cow;

use super::{
    Comparison, Filter, FilterError,
    lexer::{Kind, Token, tokens},
};

/// Parentheses within each other, at most: no limit of Okta's is known, and a thread's stack has one.
const DEPTH_MAX: usize = 500;

/// `in` is in no list of Okta's, and in a query that it publishes.
const OPERATORS: [&str; 11] = ["eq", "ne", "co", "sw", "ew", "pr", "gt", "ge", "lt", "le", "in"];
/// Attributes that Okta does not search for a part of.
const NO_CONTAINS: [&str; 2] = ["debugContext.debugData.url", "debugContext.debugData.requestUri"];

/// Reads `filter`, if Okta could take it.
pub(super) fn read(filter: &str) -> Result<Filter<'_>, FilterError> {
    let tokens = tokens(filter)?;
    if tokens.is_empty() {
        return Err(FilterError::new(filter, 0, "the filter is empty: leave it out to get everything"));
    }
    let read = Filter { comparisons: Vec::new(), doubts: Vec::new() };
    let mut parser = Parser { filter, tokens, next: 0, depth: 0, read };
    parser.expression()?;
    match parser.peek() {
        None => Ok(parser.read),
        Some(Token { at, kind: Kind::Close }) => {
            Err(parser.error(at, "there is no opening parenthesis to this one"))
        }
        Some(token) => Err(parser.unexpected(token, "expected `and` or `or` between comparisons")),
    }
}

struct Parser<'a> {
    filter: &'a str,
    tokens: Vec<Token<'a>>,
    next: usize,
    depth: usize,
    read: Filter<'a>,
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
            Kind::Text(_) | Kind::ListOpen | Kind::ListClose | Kind::Comma => {
                Err(self.unexpected(token, "expected an attribute, such as eventType"))
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
            Some(token) => Err(self.unexpected(token, "expected `and`, `or` or a closing parenthesis")),
            None => Err(self.error(opened_at, "this parenthesis is not closed")),
        }
    }

    fn comparison(&mut self, at: usize, attribute: &'a str) -> Result<(), FilterError> {
        self.require_attribute(at, attribute)?;
        let operator = match self.take() {
            Some(Token { at, kind: Kind::Word(word) }) => self.operator(at, word)?,
            Some(token) => return Err(self.unexpected(token, expected_operator(""))),
            None => return Err(self.error(self.filter.len(), expected_operator(""))),
        };
        if operator == "co" && NO_CONTAINS.contains(&attribute) {
            return Err(self.error(at, format!("Okta does not search `{attribute}` with `co`: use sw or eq")));
        }
        match operator.as_str() {
            "pr" => Ok(()),
            "in" => self.list(attribute),
            _ => self.value(attribute, &operator),
        }
    }

    /// The one value that `attribute` is compared with.
    fn value(&mut self, attribute: &'a str, operator: &str) -> Result<(), FilterError> {
        match self.take() {
            Some(Token { kind: Kind::Text(quoted), .. }) => {
                // Cut from the filter as JSON.
                let value = serde_json::from_str(quoted).map_or(Cow::Borrowed(quoted), Cow::Owned);
                self.read.comparisons.push(Comparison { attribute, operator: operator.to_owned(), value });
                Ok(())
            }
            Some(Token { kind: Kind::Word(word), .. }) if is_value(word) => Ok(()),
            Some(token) => Err(self.unexpected(token, "expected a value: text stands in double quotes")),
            None => Err(self.error(self.filter.len(), format!("expected a value after `{operator}`"))),
        }
    }

    /// The values of which `attribute` is one.
    fn list(&mut self, attribute: &'a str) -> Result<(), FilterError> {
        const FORM: &str = "expected a list after `in`: [\"…\", \"…\"]";
        let opened_at = match self.take() {
            Some(Token { at, kind: Kind::ListOpen }) => at,
            Some(Token { at, .. }) => return Err(self.error(at, FORM)),
            None => return Err(self.error(self.filter.len(), FORM)),
        };
        if let Some(Token { at, kind: Kind::ListClose }) = self.peek() {
            return Err(self.error(at, "expected a value: nothing is in an empty list"));
        }
        loop {
            self.value(attribute, "eq")?;
            match self.take() {
                Some(Token { kind: Kind::Comma, .. }) => {}
                Some(Token { kind: Kind::ListClose, .. }) => return Ok(()),
                Some(Token { at, .. }) => {
                    return Err(self.error(at, "expected a comma or the end of the list"));
                }
                None => return Err(self.error(opened_at, "this list is not closed")),
            }
        }
    }

    fn require_attribute(&mut self, at: usize, attribute: &str) -> Result<(), FilterError> {
        // A number is a place in a list, as in `target.0.displayName`.
        let is_name = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_-$:".contains(c))
        };
        if !attribute.split('.').all(is_name) {
            self.read.doubts.push(format!("`{attribute}` does not look like an attribute of an event"));
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

    /// The operator that `word` is, in small letters. One that is nearly one of Okta's is a slip; any other may be new.
    fn operator(&mut self, at: usize, word: &'a str) -> Result<String, FilterError> {
        let operator = word.to_ascii_lowercase();
        if OPERATORS.contains(&operator.as_str()) {
            return Ok(operator);
        }
        if !word.chars().all(|c| c.is_ascii_alphabetic()) || nearest_operator(word).is_some() {
            return Err(self.error(at, expected_operator(word)));
        }
        self.read.doubts.push(format!("Okta documents no operator `{word}`"));
        Ok(operator)
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

    fn unexpected(&self, token: Token<'_>, expected: impl Into<String>) -> FilterError {
        match token.kind {
            Kind::ListOpen | Kind::ListClose => self.error(
                token.at,
                "the System Log does not take `[ ]` in a filter, but for the list after `in`",
            ),
            _ => self.error(token.at, expected),
        }
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
    match nearest_operator(word) {
        Some(nearest) => format!("there is no operator `{word}`; did you mean `{nearest}`?"),
        None => format!("there is no operator `{word}`; there are {known}"),
    }
}

fn nearest_operator(word: &str) -> Option<&'static str> {
    let likeness = |operator: &str| strsim::jaro_winkler(word, operator);
    let nearest = OPERATORS.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    nearest.filter(|nearest| likeness(nearest) > 0.7)
}

/// A number, a truth value or null.
fn is_value(word: &str) -> bool {
    use serde_json::Value::{Bool, Null, Number};
    matches!(serde_json::from_str(word), Ok(Bool(_) | Null | Number(_)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::check, *};

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

    /// Queries that Okta itself publishes, for dashboards and detections.
    #[test]
    fn what_okta_publishes_is_taken() {
        for filter in [
            r#"eventType in ["system.api_token.create", "system.api_token.update"]"#,
            r#"eventType eq "security.protected_action.attempt" and target.0.displayName eq "Reset a password""#,
            r#"securityContext.isProxy eq "true""#,
            r#"authenticationContext.authenticatorContext.bindingMethod eq "LOOPBACK""#,
        ] {
            assert_eq!(read(filter).map(|filter| filter.doubts), Ok(Vec::new()), "{filter}");
        }
    }

    #[test]
    fn what_may_be_right_is_a_doubt_and_no_more() {
        for (filter, doubt) in [
            (r#"eventType has "x""#, "no operator `has`"),
            (r#"debugContext.debugData.risk/level eq "x""#, "`debugContext.debugData.risk/level`"),
            (r#"actor..id eq "x""#, "`actor..id`"),
        ] {
            let doubts = read(filter).unwrap().doubts;
            assert!(doubts.len() == 1 && doubts[0].contains(doubt), "{filter}: {doubts:?}");
        }
    }

    #[test]
    fn what_is_compared_is_told() {
        let filter = r#"eventType IN ["a\u0062", "c"] and not (outcome.result Eq "FAIL" or x pr) and n gt 5"#;
        let told: Vec<_> = read(filter)
            .unwrap()
            .comparisons
            .into_iter()
            .map(|comparison| {
                format!("{} {} {}", comparison.attribute, comparison.operator, comparison.value)
            })
            .collect();
        assert_eq!(told, ["eventType eq ab", "eventType eq c", "outcome.result eq FAIL"]);
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
            (r#"["x"] eq eventType"#, "[\"x\"]", "does not take `[ ]`"),
            (r#"eventType in "x""#, "\"x\"", "a list after `in`"),
            (r#"eventType in ["x" "y"]"#, "\"y\"]", "a comma"),
            (r#"eventType in ["x","#, "", "expected a value"),
            (r#"eventType in ["x""#, "[\"x\"", "is not closed"),
            (r#"eventType in []"#, "]", "expected a value"),
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
