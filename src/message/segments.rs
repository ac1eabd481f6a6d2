//! Text with fields in braces, cut into segments. Pure; knows no field.

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment<F> {
    /// Stands for itself.
    Literal(String),
    /// Is filled in for each message.
    Field(F),
}

/// Cuts `text` into segments. `field` reads what stands between two braces; `unbalanced` is the error for a brace without
/// its partner.
pub(crate) fn segments<F, E>(
    text: &str,
    field: impl Fn(&str) -> Result<F, E>,
    unbalanced: impl Fn() -> E,
) -> Result<Vec<Segment<F>>, E> {
    let mut segments = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        if open > 0 {
            segments.push(Segment::Literal(rest[..open].to_owned()));
        }
        let inside = rest[open..].strip_prefix('{').ok_or_else(&unbalanced)?;
        let (name, after) = inside.split_once('}').ok_or_else(&unbalanced)?;
        segments.push(Segment::Field(field(name)?));
        rest = after;
    }
    if !rest.is_empty() {
        segments.push(Segment::Literal(rest.to_owned()));
    }
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Result<Vec<Segment<String>>, &'static str> {
        segments(
            text,
            |name| if name.is_empty() { Err("empty") } else { Ok(name.to_owned()) },
            || "unbalanced",
        )
    }

    #[test]
    fn braces_hold_fields_and_everything_else_stands_for_itself() {
        let (literal, field) =
            (|text: &str| Segment::Literal(text.to_owned()), |name: &str| Segment::Field(name.to_owned()));
        assert_eq!(cut("a.{b}{c}d"), Ok(vec![literal("a."), field("b"), field("c"), literal("d")]));
        assert_eq!(cut(""), Ok(vec![]));
        for text in ["{a", "a}", "{a}}", "}{"] {
            assert_eq!(cut(text), Err("unbalanced"), "{text}");
        }
        assert_eq!(cut("{}"), Err("empty"));
    }
}
