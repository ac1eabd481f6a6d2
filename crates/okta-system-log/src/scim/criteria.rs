//! What people look for, as one filter.

/// Conditions that must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Criteria {
    /// A filter as it was typed.
    pub filter: Option<String>,
    /// Any of these types; `*` at either end stands for anything.
    pub event_types: Vec<String>,
    /// Any of these values of `outcome.result`.
    pub outcomes: Vec<String>,
    /// The actor: an id, a login or an e-mail.
    pub actor: Option<String>,
    /// The target: an id, a login or an e-mail.
    pub target: Option<String>,
    /// The address that it came from.
    pub ip: Option<String>,
}

impl Criteria {
    /// All conditions as one filter; none if there are no conditions.
    pub fn to_filter(&self) -> Option<String> {
        let typed = self.filter.as_ref().map(|filter| Group::of(vec![filter.clone()], true));
        let event_types = self.event_types.iter().map(|pattern| event_type(pattern)).collect();
        let outcomes = self.outcomes.iter().map(|outcome| compare("outcome.result", "eq", outcome)).collect();
        let groups = [
            typed,
            Some(Group::of(event_types, false)),
            Some(Group::of(outcomes, false)),
            self.actor.as_deref().map(|actor| Group::of(vec![party("actor", actor)], false)),
            self.target.as_deref().map(|target| Group::of(vec![party("target", target)], false)),
            self.ip.as_deref().map(|ip| Group::of(vec![compare("client.ipAddress", "eq", ip)], false)),
        ];
        let groups: Vec<_> = groups.into_iter().flatten().filter(|group| !group.any_of.is_empty()).collect();
        if let [only] = groups.as_slice() {
            return Some(only.any_of.join(" or "));
        }
        let joined: Vec<_> = groups.iter().map(Group::grouped).collect();
        (!joined.is_empty()).then(|| joined.join(" and "))
    }
}

/// Conditions of which any may hold.
struct Group {
    any_of: Vec<String>,
    /// Whether it may hold `or` within.
    is_typed: bool,
}

impl Group {
    fn of(any_of: Vec<String>, is_typed: bool) -> Self {
        Self { any_of, is_typed }
    }

    fn grouped(&self) -> String {
        let joined = self.any_of.join(" or ");
        if self.is_typed || self.any_of.len() > 1 { format!("({joined})") } else { joined }
    }
}

fn event_type(pattern: &str) -> String {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(rest), Some(_)) => match rest.strip_suffix('*') {
            Some(middle) if !middle.is_empty() => compare("eventType", "co", middle),
            _ => "eventType pr".to_owned(),
        },
        (Some(end), None) => compare("eventType", "ew", end),
        (None, Some(beginning)) => compare("eventType", "sw", beginning),
        (None, None) => compare("eventType", "eq", pattern),
    }
}

/// Ids have no `@`; what has one is a login or an e-mail.
fn party(who: &str, name: &str) -> String {
    let attribute = if name.contains('@') { "alternateId" } else { "id" };
    compare(&format!("{who}.{attribute}"), "eq", name)
}

fn compare(attribute: &str, operator: &str, value: &str) -> String {
    // Okta wants JSON strings.
    format!("{attribute} {operator} {}", serde_json::Value::from(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scim::check;

    #[test]
    fn conditions_become_one_filter() {
        assert_eq!(Criteria::default().to_filter(), None);
        let all = Criteria {
            filter: Some(r#"severity eq "WARN" or severity eq "ERROR""#.to_owned()),
            event_types: ["user.session.start", "user.lifecycle.*", "*.fail", "*mfa*"]
                .map(str::to_owned)
                .to_vec(),
            outcomes: vec!["FAILURE".to_owned()],
            actor: Some("00u1".to_owned()),
            target: Some("ada@acme.com".to_owned()),
            ip: Some("192.0.2.1".to_owned()),
        };
        let filter = all.to_filter().unwrap();
        assert_eq!(
            filter,
            r#"(severity eq "WARN" or severity eq "ERROR") and (eventType eq "user.session.start" or eventType sw "user.lifecycle." or eventType ew ".fail" or eventType co "mfa") and outcome.result eq "FAILURE" and actor.id eq "00u1" and target.alternateId eq "ada@acme.com" and client.ipAddress eq "192.0.2.1""#
        );
        assert_eq!(check(&filter), Ok(()));
        let typed = Criteria { filter: Some("severity pr".to_owned()), ..Criteria::default() };
        assert_eq!(typed.to_filter().as_deref(), Some("severity pr"));
    }

    proptest! {
        #[test]
        fn whatever_is_looked_for_the_filter_is_one(actor in any::<String>(), event_type in any::<String>()) {
            let criteria =
                Criteria { actor: Some(actor), event_types: vec![event_type], ..Criteria::default() };
            prop_assert_eq!(check(&criteria.to_filter().unwrap()), Ok(()));
        }
    }
}
