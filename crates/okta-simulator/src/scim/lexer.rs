//! From the text of a filter to tokens, each with its position.

use super::parser::FilterError;

/// A piece of a filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// Characters before it.
    pub(super) position: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    Open,
    Close,
    /// An attribute, operator, number or literal.
    Word(String),
    /// A JSON string, unescaped.
    Text(String),
    /// `[`, which only the list after `in` begins with.
    ListOpen,
    ListClose,
    Comma,
}

/// Splits a filter.
pub(super) fn tokens(filter: &str) -> Result<Vec<Token>, FilterError> {
    let mut tokens = Vec::new();
    let mut characters = filter.chars().enumerate().peekable();
    while let Some((position, character)) = characters.next() {
        let kind = match character {
            _ if character.is_whitespace() => continue,
            '[' if follows_in(&tokens) => TokenKind::ListOpen,
            ']' => TokenKind::ListClose,
            ',' => TokenKind::Comma,
            '(' => TokenKind::Open,
            ')' => TokenKind::Close,
            '"' => {
                let mut literal = String::from('"');
                let mut is_escaped = false;
                loop {
                    let Some((_, next)) = characters.next() else {
                        return Err(FilterError::Unterminated { position });
                    };
                    literal.push(next);
                    if next == '"' && !is_escaped {
                        break;
                    }
                    is_escaped = next == '\\' && !is_escaped;
                }
                let text = serde_json::from_str(&literal);
                TokenKind::Text(text.map_err(|_| FilterError::BadString { position })?)
            }
            _ if is_word(character) => {
                let mut word = String::from(character);
                while let Some((_, next)) = characters.next_if(|(_, next)| is_word(*next)) {
                    word.push(next);
                }
                TokenKind::Word(word)
            }
            _ => {
                return Err(FilterError::BadCharacter { character, position });
            }
        };
        tokens.push(Token { kind, position });
    }
    Ok(tokens)
}

fn follows_in(tokens: &[Token]) -> bool {
    matches!(tokens.last(), Some(Token { kind: TokenKind::Word(word), .. }) if word.eq_ignore_ascii_case("in"))
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '.' | '_' | '-' | '+' | ':' | '$')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_json_strings() {
        let tokens = tokens(r#"(a.b eq "say \"hi\" é")"#).unwrap();
        let kinds: Vec<TokenKind> = tokens.iter().map(|token| token.kind.clone()).collect();
        assert_eq!(
            kinds,
            [
                TokenKind::Open,
                TokenKind::Word("a.b".to_owned()),
                TokenKind::Word("eq".to_owned()),
                TokenKind::Text("say \"hi\" é".to_owned()),
                TokenKind::Close,
            ]
        );
        assert_eq!(tokens[3].position, 8);
    }

    #[test]
    fn what_is_no_token_is_named_with_its_position() {
        assert_eq!(tokens(r#"a eq "b"#), Err(FilterError::Unterminated { position: 5 }));
        assert_eq!(tokens(r#"a eq "\x""#), Err(FilterError::BadString { position: 5 }));
        assert_eq!(tokens("a[b]"), Err(FilterError::BadCharacter { character: '[', position: 1 }));
    }
}
