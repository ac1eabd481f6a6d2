//! SCIM filters as Okta takes them: all operators and grouping, but no `[ ]`. It knows
//! nothing of events or users.

mod evaluate;
mod lexer;
mod parser;

use serde_json::Value;

pub(super) use parser::FilterError;

/// A parsed filter.
#[derive(Debug)]
pub(super) struct Filter(Expression);

/// A filter as a tree; `and` binds tighter than `or`, `not` tighter than both.
#[derive(Debug, PartialEq)]
enum Expression {
    Comparison { path: Vec<String>, operator: Operator, value: Value },
    Present { path: Vec<String> },
    Not(Box<Expression>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
}

/// How an attribute is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    StartsWith,
    Contains,
    EndsWith,
    Present,
}

impl Operator {
    /// An operator by its name in any case.
    fn named(name: &str) -> Option<Self> {
        let operator = match name.to_ascii_lowercase().as_str() {
            "eq" => Self::Equal,
            "ne" => Self::NotEqual,
            "gt" => Self::Greater,
            "ge" => Self::GreaterOrEqual,
            "lt" => Self::Less,
            "le" => Self::LessOrEqual,
            "sw" => Self::StartsWith,
            "co" => Self::Contains,
            "ew" => Self::EndsWith,
            "pr" => Self::Present,
            _ => return None,
        };
        Some(operator)
    }
}

impl Filter {
    /// Parses a filter.
    pub(super) fn parse(text: &str) -> Result<Self, FilterError> {
        parser::parse(text).map(Self)
    }

    /// Whether a JSON value meets it. A path through an array means any of its elements.
    pub(super) fn match_value(&self, value: &Value) -> bool {
        evaluate::evaluate(&self.0, value)
    }

    /// The same filter with other values.
    pub(super) fn map_values(mut self, map: &dyn Fn(&[String], Value) -> Value) -> Self {
        map_values(&mut self.0, map);
        self
    }

    /// Whether there is a `not` in it.
    pub(super) fn negates(&self) -> bool {
        negates(&self.0)
    }

    /// Every attribute that is compared, and how.
    pub(super) fn comparisons(&self) -> Vec<(&[String], Operator)> {
        let mut comparisons = Vec::new();
        collect(&self.0, &mut comparisons);
        comparisons
    }
}

fn map_values(expression: &mut Expression, map: &dyn Fn(&[String], Value) -> Value) {
    match expression {
        Expression::Comparison { path, value, .. } => *value = map(path, value.take()),
        Expression::Present { .. } => {}
        Expression::Not(inner) => map_values(inner, map),
        Expression::And(parts) | Expression::Or(parts) => {
            parts.iter_mut().for_each(|part| map_values(part, map));
        }
    }
}

fn negates(expression: &Expression) -> bool {
    match expression {
        Expression::Comparison { .. } | Expression::Present { .. } => false,
        Expression::Not(_) => true,
        Expression::And(parts) | Expression::Or(parts) => parts.iter().any(negates),
    }
}

fn collect<'a>(expression: &'a Expression, comparisons: &mut Vec<(&'a [String], Operator)>) {
    match expression {
        Expression::Comparison { path, operator, .. } => comparisons.push((path, *operator)),
        Expression::Present { path } => comparisons.push((path, Operator::Present)),
        Expression::Not(inner) => collect(inner, comparisons),
        Expression::And(parts) | Expression::Or(parts) => {
            parts.iter().for_each(|part| collect(part, comparisons));
        }
    }
}
