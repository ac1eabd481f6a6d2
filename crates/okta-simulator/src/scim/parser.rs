//! From tokens to an expression.

use std::iter::Peekable;
use std::vec::IntoIter;

use serde_json::Value;

use super::lexer::{self, Token, TokenKind};
use super::{Expression, Operator};

/// How deep groups and `not` may be nested.
const MAX_DEPTH: usize = 64;

/// Why a text is no filter. The texts are Okta's where its documentation shows them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FilterError {
    #[error(
        "Unrecognized attribute operator '{operator}' at position {position}. \
         Expected: eq,co,sw,pr,gt,ge,lt,le"
    )]
    UnknownOperator { operator: String, position: usize },
    #[error("Expected {expected} at position {position}.")]
    Expected { expected: &'static str, position: usize },
    #[error("Unexpected character '{character}' at position {position}.")]
    BadCharacter { character: char, position: usize },
    #[error("The string that begins at position {position} does not end.")]
    Unterminated { position: usize },
    #[error("The string at position {position} is not a valid JSON string.")]
    BadString { position: usize },
    #[error("The filter is nested too deeply at position {position}.")]
    TooDeep { position: usize },
}

/// Parses a whole filter.
pub(super) fn parse(filter: &str) -> Result<Expression, FilterError> {
    let tokens = lexer::tokens(filter)?.into_iter().peekable();
    let mut parser = Parser { tokens, end: filter.chars().count() };
    let expression = parser.alternatives(0)?;
    match parser.tokens.next() {
        None => Ok(expression),
        Some(token) => Err(expected("'and', 'or' or the end of the filter", token.position)),
    }
}

struct Parser {
    tokens: Peekable<IntoIter<Token>>,
    /// The position after the last character.
    end: usize,
}

impl Parser {
    fn alternatives(&mut self, depth: usize) -> Result<Expression, FilterError> {
        let mut parts = vec![self.conjunction(depth)?];
        while self.take_keyword("or") {
            parts.push(self.conjunction(depth)?);
        }
        Ok(one_or(parts, Expression::Or))
    }

    fn conjunction(&mut self, depth: usize) -> Result<Expression, FilterError> {
        let mut parts = vec![self.term(depth)?];
        while self.take_keyword("and") {
            parts.push(self.term(depth)?);
        }
        Ok(one_or(parts, Expression::And))
    }

    fn term(&mut self, depth: usize) -> Result<Expression, FilterError> {
        let position = self.position();
        if depth == MAX_DEPTH {
            return Err(FilterError::TooDeep { position });
        }
        match self.tokens.next().map(|token| token.kind) {
            Some(TokenKind::Open) => {
                let inner = self.alternatives(depth + 1)?;
                let position = self.position();
                match self.tokens.next().map(|token| token.kind) {
                    Some(TokenKind::Close) => Ok(inner),
                    _ => Err(expected("')'", position)),
                }
            }
            Some(TokenKind::Word(word)) if word.eq_ignore_ascii_case("not") => {
                Ok(Expression::Not(Box::new(self.term(depth + 1)?)))
            }
            Some(TokenKind::Word(attribute)) => self.comparison(&attribute),
            _ => Err(expected("an attribute, 'not' or '('", position)),
        }
    }

    fn comparison(&mut self, attribute: &str) -> Result<Expression, FilterError> {
        let path: Vec<_> = attribute.split('.').map(str::to_owned).collect();
        let position = self.position();
        let Some(TokenKind::Word(name)) = self.tokens.next().map(|token| token.kind) else {
            return Err(expected("an attribute operator", position));
        };
        if name.eq_ignore_ascii_case("in") {
            return self.one_of(&path);
        }
        let Some(operator) = Operator::named(&name) else {
            return Err(FilterError::UnknownOperator { operator: name, position });
        };
        if operator == Operator::Present {
            return Ok(Expression::Present { path });
        }
        Ok(Expression::Comparison { path, operator, value: self.value()? })
    }

    /// The list after `in`, which Okta uses in queries that it publishes.
    fn one_of(&mut self, path: &[String]) -> Result<Expression, FilterError> {
        let mut parts = Vec::new();
        let mut opened = TokenKind::ListOpen;
        loop {
            let position = self.position();
            match self.tokens.next().map(|token| token.kind) {
                Some(TokenKind::ListClose) if !parts.is_empty() => return Ok(one_or(parts, Expression::Or)),
                Some(kind) if kind == opened => {}
                _ => return Err(expected("a list of values in brackets", position)),
            }
            opened = TokenKind::Comma;
            let (operator, value) = (Operator::Equal, self.value()?);
            parts.push(Expression::Comparison { path: path.to_vec(), operator, value });
        }
    }

    fn value(&mut self) -> Result<Value, FilterError> {
        let position = self.position();
        match self.tokens.next().map(|token| token.kind) {
            Some(TokenKind::Text(text)) => Ok(Value::String(text)),
            // Numbers, `true`, `false` and `null` are written as in JSON.
            Some(TokenKind::Word(word)) => serde_json::from_str(&word)
                .map_err(|_| expected("a string in quotes, a number, true, false or null", position)),
            _ => Err(expected("a value", position)),
        }
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let is_keyword = |token: &Token| match &token.kind {
            TokenKind::Word(word) => word.eq_ignore_ascii_case(keyword),
            _ => false,
        };
        self.tokens.next_if(is_keyword).is_some()
    }

    fn position(&mut self) -> usize {
        self.tokens.peek().map_or(self.end, |token| token.position)
    }
}

fn one_or(mut parts: Vec<Expression>, join: impl FnOnce(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            join(parts)
        }
    }
}

fn expected(expected: &'static str, position: usize) -> FilterError {
    FilterError::Expected { expected, position }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_operator_is_named_with_its_position() {
        let error = parse(r#"client.ipAddress eqq "1.2.3.4""#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Unrecognized attribute operator 'eqq' at position 17. Expected: eq,co,sw,pr,gt,ge,lt,le"
        );
    }

    #[test]
    fn broken_filters_are_refused() {
        for filter in [
            "",
            "a",
            "a eq",
            "a eq b",
            "a eq \"b\" and",
            "(a pr",
            "a pr)",
            "a pr b pr",
            "not",
            "and",
            "a eq (1)",
        ] {
            assert!(parse(filter).is_err(), "{filter}");
        }
    }

    #[test]
    fn depth_is_bounded_and_length_is_not() {
        let deep = format!("{}a pr{}", "(".repeat(10_000), ")".repeat(10_000));
        assert!(matches!(parse(&deep), Err(FilterError::TooDeep { .. })));
        assert!(parse(&format!("a pr{}", " or a pr".repeat(10_000))).is_ok());
    }
}
