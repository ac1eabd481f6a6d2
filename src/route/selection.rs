//! Which events a route wants: patterns, compiled once.

use okta_system_log::event::{Event, Pattern};

use crate::config::SelectionConfig;

/// A route's own filter. Each kind of condition that is set must match.
#[derive(Debug, Default)]
pub struct Selection {
    event_types: Vec<Pattern>,
    categories: Vec<String>,
    outcomes: Vec<String>,
    severities: Vec<String>,
}

impl Selection {
    /// Compiles the filter.
    pub fn new(config: &SelectionConfig) -> Self {
        let patterns = config.event_types.iter();
        Self {
            event_types: patterns.map(|pattern| Pattern::new(pattern)).collect(),
            categories: config.categories.clone(),
            outcomes: config.outcomes.clone(),
            severities: config.severities.clone(),
        }
    }

    /// Whether the route wants the event. What an event does not say matches no condition.
    pub fn wants(&self, event: &Event<'_>) -> bool {
        self.wants_type(event.event_type().unwrap_or_default())
            && any_or_unset(&self.outcomes, |outcome| event.outcome() == Some(outcome))
            && any_or_unset(&self.severities, |severity| event.severity() == Some(severity))
    }

    /// Whether the route wants any events of this type.
    pub fn wants_type(&self, event_type: &str) -> bool {
        any_or_unset(&self.event_types, |pattern| pattern.matches(event_type))
            && any_or_unset(&self.categories, |category| is_in_category(event_type, category))
    }
}

fn any_or_unset<T>(conditions: &[T], matches: impl Fn(&T) -> bool) -> bool {
    conditions.is_empty() || conditions.iter().any(matches)
}

fn is_in_category(event_type: &str, category: &str) -> bool {
    let rest = event_type.strip_prefix(category);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use okta_system_log::event::Events;

    #[test]
    fn each_condition_that_is_set_must_hold() {
        let config = SelectionConfig {
            categories: vec!["user".to_owned()],
            outcomes: vec!["FAILURE".to_owned(), "DENY".to_owned()],
            ..SelectionConfig::default()
        };
        let wants = |event: &str| {
            let events = Events::parse(format!("[{event}]").into()).unwrap();
            Selection::new(&config).wants(&events.get(0).unwrap())
        };
        assert!(wants(r#"{"eventType":"user.session.start","outcome":{"result":"DENY"}}"#));
        assert!(!wants(r#"{"eventType":"users.session.start","outcome":{"result":"DENY"}}"#));
        assert!(!wants(r#"{"eventType":"user.session.start","outcome":{"result":"SUCCESS"}}"#));
        assert!(!wants(r#"{"eventType":"user.session.start","outcome":null}"#));
    }

    #[test]
    fn without_conditions_everything_is_wanted() {
        let events = Events::parse("[1]".into()).unwrap();
        assert!(Selection::default().wants(&events.get(0).unwrap()));
    }
}
