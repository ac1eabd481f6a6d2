//! What `filter`, `search` and `q` ask of users and groups, and which questions Okta does not answer.

use serde_json::Value;

use super::group::Group;
use super::profile;
use super::user::User;
use crate::clock;
use crate::okta_error::OktaError;
use crate::parameters::Parameters;
use crate::scim::{Filter, Operator};

const TIMES: &[&str] =
    &["created", "activated", "statusChanged", "lastUpdated", "passwordChanged", "lastMembershipUpdated"];

/// What something must meet to be listed.
#[derive(Debug)]
pub(super) enum Criteria {
    Everything,
    /// The beginning of a name, in lower case.
    Beginning(String),
    Filter {
        filter: Filter,
        /// Whether upper and lower case are the same; the filter's values are in lower case then.
        folds_case: bool,
    },
}

/// What is allowed in a filter: attributes, and how they are compared.
struct Rules {
    is_attribute: fn(&str) -> bool,
    allows: fn(&str, Operator) -> bool,
    negation: bool,
    folds_case: bool,
}

const USER_FILTER: Rules = Rules {
    is_attribute: |name| {
        let names = ["status", "lastUpdated", "id"];
        let profile = ["profile.login", "profile.email", "profile.firstName", "profile.lastName"];
        names.contains(&name) || profile.contains(&name)
    },
    allows: |name, operator| operator == Operator::Equal || (name == "lastUpdated" && is_order(operator)),
    negation: false,
    folds_case: false,
};

const USER_SEARCH: Rules = Rules {
    is_attribute: |name| {
        let names = [
            "id",
            "status",
            "created",
            "activated",
            "statusChanged",
            "lastUpdated",
            "passwordChanged",
            "type.id",
        ];
        names.contains(&name) || name.strip_prefix("profile.").is_some_and(profile::is_attribute)
    },
    allows: |name, operator| match operator {
        Operator::Contains => {
            ["profile.firstName", "profile.lastName", "profile.email", "profile.login"].contains(&name)
        }
        Operator::NotEqual | Operator::EndsWith => false,
        _ => true,
    },
    negation: true,
    folds_case: true,
};

const GROUP_FILTER: Rules = Rules {
    is_attribute: |name| ["id", "type", "lastUpdated", "lastMembershipUpdated"].contains(&name),
    ..GROUP_SEARCH
};

const GROUP_SEARCH: Rules = Rules {
    is_attribute: |name| {
        let names = ["id", "type", "created", "lastUpdated", "lastMembershipUpdated", "objectClass"];
        names.contains(&name) || ["profile.name", "profile.description"].contains(&name)
    },
    allows: |_, operator| !matches!(operator, Operator::NotEqual | Operator::EndsWith),
    negation: false,
    folds_case: true,
};

impl Criteria {
    pub(super) fn of_users(parameters: &Parameters) -> Result<Self, OktaError> {
        Self::parse(parameters, &USER_SEARCH, &USER_FILTER)
    }

    pub(super) fn of_groups(parameters: &Parameters) -> Result<Self, OktaError> {
        Self::parse(parameters, &GROUP_SEARCH, &GROUP_FILTER)
    }

    /// Of `search`, `filter` and `q` the first that is there counts.
    fn parse(parameters: &Parameters, search: &Rules, filter: &Rules) -> Result<Self, OktaError> {
        if let Some(text) = parameters.get("search") {
            return search.parse(text);
        }
        if let Some(text) = parameters.get("filter") {
            return filter.parse(text);
        }
        let beginning = parameters.get("q").map(|q| Self::Beginning(q.to_lowercase()));
        Ok(beginning.unwrap_or(Self::Everything))
    }

    pub(super) fn match_user(&self, user: &User) -> bool {
        match self {
            Self::Everything => true,
            Self::Beginning(beginning) => ["firstName", "lastName", "email"]
                .iter()
                .any(|attribute| user.text(attribute).to_lowercase().starts_with(beginning)),
            Self::Filter { filter, folds_case } => filter.match_value(&folded(user.view(""), *folds_case)),
        }
    }

    pub(super) fn match_group(&self, group: &Group) -> bool {
        match self {
            Self::Everything => true,
            Self::Beginning(beginning) => group.profile.name.to_lowercase().starts_with(beginning),
            Self::Filter { filter, folds_case } => filter.match_value(&folded(group.view(""), *folds_case)),
        }
    }
}

impl Rules {
    fn parse(&self, text: &str) -> Result<Criteria, OktaError> {
        let filter =
            Filter::parse(text).map_err(|error| OktaError::invalid_search().because(error.to_string()))?;
        if filter.negates() && !self.negation {
            return Err(OktaError::invalid_search());
        }
        for (path, operator) in filter.comparisons() {
            let name = path.join(".");
            if !(self.is_attribute)(&name) || !(self.allows)(&name, operator) {
                return Err(OktaError::invalid_search());
            }
        }
        let folds_case = self.folds_case;
        let filter = filter.map_values(&|path, value| folded(in_oktas_time(path, value), folds_case));
        Ok(Criteria::Filter { filter, folds_case })
    }
}

fn is_order(operator: Operator) -> bool {
    use Operator::{Greater, GreaterOrEqual, Less, LessOrEqual};
    matches!(operator, Greater | GreaterOrEqual | Less | LessOrEqual)
}

/// A time in the spelling in which Okta writes times, so that they can be compared as texts.
fn in_oktas_time(path: &[String], value: Value) -> Value {
    let is_time = path.first().is_some_and(|name| TIMES.contains(&name.as_str()));
    match value.as_str().and_then(clock::parse_date_time) {
        Some(ms) if is_time => clock::date_time(ms).into(),
        _ => value,
    }
}

/// Okta's searches do not tell upper from lower case in values; filters of users do.
fn folded(value: Value, folds_case: bool) -> Value {
    if folds_case { lower_case(value) } else { value }
}

fn lower_case(value: Value) -> Value {
    match value {
        Value::String(text) => text.to_lowercase().into(),
        Value::Array(elements) => elements.into_iter().map(lower_case).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name, lower_case(value))).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::status::Status;
    use super::*;

    fn ada() -> User {
        let profile = json!({"login": "ada@acme.example", "email": "ada@acme.example", "firstName": "Ada", "lastName": "Ito"});
        let Value::Object(profile) = profile else { panic!() };
        User::new("00u1".to_owned(), Status::Active, profile, 1_723_564_800_000)
    }

    fn ask(parameter: &str, text: &str) -> Result<bool, OktaError> {
        let query: String =
            url::form_urlencoded::Serializer::new(String::new()).append_pair(parameter, text).finish();
        Criteria::of_users(&Parameters::new(&query)).map(|criteria| criteria.match_user(&ada()))
    }

    #[test]
    fn questions_that_okta_answers() {
        for (parameter, text, is_met) in [
            ("filter", r#"profile.login eq "ada@acme.example" and status eq "ACTIVE""#, true),
            ("filter", r#"profile.login eq "ADA@acme.example""#, false),
            ("search", r#"profile.login eq "ADA@acme.example""#, true),
            ("filter", r#"lastUpdated gt "2024-08-13T15:59:59Z""#, true),
            ("filter", r#"lastUpdated gt "2024-08-13T16:00:00Z""#, false),
            ("search", r#"profile.firstName sw "a" and profile.lastName co "T""#, true),
            ("search", r#"profile.department pr or status eq "STAGED""#, false),
            ("search", r#"created eq "2024-08-13T16:00:00.000Z""#, true),
            ("q", "it", true),
            ("q", "to", false),
        ] {
            assert_eq!(ask(parameter, text), Ok(is_met), "{parameter}={text}");
        }
    }

    #[test]
    fn groups_are_filtered_by_less_than_they_are_searched_by() {
        let ask = |query: &str| Criteria::of_groups(&Parameters::new(query)).map(|_| ());
        assert!(ask("search=profile.name+eq+%22a%22").is_ok());
        assert_eq!(ask("filter=profile.name+eq+%22a%22").unwrap_err().code(), "E0000031");
        assert!(ask("filter=type+eq+%22OKTA_GROUP%22").is_ok());
    }

    #[test]
    fn questions_that_okta_refuses() {
        for (parameter, text) in [
            ("filter", r#"profile.department eq "x""#),
            ("filter", r#"profile.login sw "x""#),
            ("filter", r#"not (status eq "ACTIVE")"#),
            ("search", r#"profile.department co "x""#),
            ("search", r#"profile.shoeSize eq "x""#),
            ("search", r#"status ne "ACTIVE""#),
            ("search", "status eq"),
        ] {
            assert_eq!(ask(parameter, text).unwrap_err().code(), "E0000031", "{parameter}={text}");
        }
    }
}
