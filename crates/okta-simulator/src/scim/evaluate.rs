//! Whether a JSON value meets an expression.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Expression, Operator};

/// Evaluates an expression. A missing attribute and `null` are the same, and equal to nothing but
/// `null`.
pub(super) fn evaluate(expression: &Expression, root: &Value) -> bool {
    match expression {
        Expression::Comparison { path, operator, value } => compare(root, path, *operator, value),
        Expression::Present { path } => any(root, path, &|found| !is_empty(found)),
        Expression::Not(inner) => !evaluate(inner, root),
        Expression::And(parts) => parts.iter().all(|part| evaluate(part, root)),
        Expression::Or(parts) => parts.iter().any(|part| evaluate(part, root)),
    }
}

fn compare(root: &Value, path: &[String], operator: Operator, value: &Value) -> bool {
    match operator {
        Operator::NotEqual => !compare(root, path, Operator::Equal, value),
        Operator::Equal if value.is_null() => !any(root, path, &|found| !found.is_null()),
        _ => any(root, path, &|found| holds(found, operator, value)),
    }
}

/// Whether any value at the path passes the test; arrays on the way mean each of their elements, or the one whose number
/// the path tells.
fn any(value: &Value, path: &[String], test: &dyn Fn(&Value) -> bool) -> bool {
    match (value, path) {
        (Value::Array(elements), [number, rest @ ..]) if number.parse::<usize>().is_ok() => {
            let element = number.parse().ok().and_then(|index: usize| elements.get(index));
            element.is_some_and(|element| any(element, rest, test))
        }
        (Value::Array(elements), _) => elements.iter().any(|element| any(element, path, test)),
        (_, []) => test(value),
        (Value::Object(members), [name, rest @ ..]) => {
            members.get(name).is_some_and(|member| any(member, rest, test))
        }
        _ => false,
    }
}

fn holds(found: &Value, operator: Operator, value: &Value) -> bool {
    match (found, value) {
        (Value::String(found), Value::String(value)) => match operator {
            Operator::StartsWith => found.starts_with(value),
            Operator::Contains => found.contains(value),
            Operator::EndsWith => found.ends_with(value),
            _ => is_ordered(found.as_str().cmp(value), operator),
        },
        (Value::Number(found), Value::Number(value)) => {
            let ordering = found.as_f64().partial_cmp(&value.as_f64());
            ordering.is_some_and(|ordering| is_ordered(ordering, operator))
        }
        (Value::Bool(found), Value::Bool(value)) => operator == Operator::Equal && found == value,
        _ => false,
    }
}

fn is_ordered(ordering: Ordering, operator: Operator) -> bool {
    match operator {
        Operator::Equal => ordering.is_eq(),
        Operator::Greater => ordering.is_gt(),
        Operator::GreaterOrEqual => ordering.is_ge(),
        Operator::Less => ordering.is_lt(),
        Operator::LessOrEqual => ordering.is_le(),
        _ => false,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::scim::Filter;

    fn meets(filter: &str) -> bool {
        let event = serde_json::json!({
            "eventType": "user.session.start",
            "actor": {"id": "00u1", "detailEntry": null},
            "client": {"geographicalContext": {"geolocation": {"lat": 34.474}}},
            "securityContext": {"isProxy": false, "asNumber": 394089},
            "target": [{"id": "00u2", "type": "User"}, {"id": "0oa3", "type": "AppInstance"}],
        });
        Filter::parse(filter).unwrap().match_value(&event)
    }

    #[test]
    fn every_operator_works() {
        for filter in [
            r#"eventType eq "user.session.start""#,
            r#"eventType EQ "user.session.start""#,
            r#"eventType ne "user.session.end""#,
            r#"eventType sw "user.""#,
            r#"eventType co "session""#,
            r#"eventType ew ".start""#,
            r#"eventType gt "user.a""#,
            "securityContext.asNumber ge 394089",
            "securityContext.asNumber le 394089.0",
            "client.geographicalContext.geolocation.lat lt 34.5",
            "securityContext.isProxy eq false",
            "actor.id pr",
            "actor.detailEntry eq null",
            "not (actor.detailEntry pr)",
            r#"eventType in ["x", "user.session.start"]"#,
            r#"target.1.type eq "AppInstance""#,
        ] {
            assert!(meets(filter), "{filter}");
        }
        for filter in [
            r#"eventType eq "USER.SESSION.START""#,
            r#"EventType eq "user.session.start""#,
            "securityContext.asNumber lt 394089",
            "securityContext.isProxy eq true",
            r#"securityContext.asNumber eq "394089""#,
            "actor.alternateId pr",
            r#"eventType in ["x"]"#,
            r#"target.0.type eq "AppInstance""#,
        ] {
            assert!(!meets(filter), "{filter}");
        }
    }

    #[test]
    fn a_path_through_an_array_means_any_element() {
        assert!(meets(r#"target.id eq "00u2" and target.id eq "0oa3""#));
        assert!(!meets(r#"target.id eq "00u4""#));
        assert!(!meets(r#"target.id ne "0oa3""#));
    }

    #[test]
    fn and_binds_tighter_than_or_and_groups_bind_tightest() {
        assert!(meets("actor.id pr or actor.id pr and actor.x pr"));
        assert!(!meets("(actor.id pr or actor.id pr) and actor.x pr"));
        assert!(meets("not (actor.x pr) and actor.id pr"));
        assert!(meets("NOT actor.x pr AND actor.id pr"));
    }
}
