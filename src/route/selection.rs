//! Which events a route wants: patterns, compiled once.

use crate::{config::SelectionConfig, event::Event};

/// A route's own filter. Each kind of condition that is set must match.
#[derive(Debug, Default)]
pub struct Selection {
    event_types: Vec<Pattern>,
    categories: Vec<String>,
    outcomes: Vec<String>,
    severities: Vec<String>,
}

/// Text with `*` for anything, by the pieces between the stars.
#[derive(Debug)]
struct Pattern(Vec<String>);

impl Selection {
    /// Compiles the filter.
    pub fn new(config: &SelectionConfig) -> Self {
        let patterns = config.event_types.iter();
        Self {
            event_types: patterns
                .map(|pattern| Pattern(pattern.split('*').map(str::to_owned).collect()))
                .collect(),
            categories: config.categories.clone(),
            outcomes: config.outcomes.clone(),
            severities: config.severities.clone(),
        }
    }

    /// Whether the route wants the event. What an event does not say matches no condition.
    pub fn wants(&self, event: &Event<'_>) -> bool {
        let event_type = event.event_type().unwrap_or_default();
        any_or_unset(&self.event_types, |pattern| pattern.matches(event_type))
            && any_or_unset(&self.categories, |category| is_in_category(event_type, category))
            && any_or_unset(&self.outcomes, |outcome| event.outcome() == Some(outcome))
            && any_or_unset(&self.severities, |severity| event.severity() == Some(severity))
    }
}

fn any_or_unset<T>(conditions: &[T], matches: impl Fn(&T) -> bool) -> bool {
    conditions.is_empty() || conditions.iter().any(matches)
}

fn is_in_category(event_type: &str, category: &str) -> bool {
    let rest = event_type.strip_prefix(category);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Pattern {
    fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_first() else { return text.is_empty() };
        let Some((last, middle)) = rest.split_last() else { return text == first };
        let inside = text.strip_prefix(first.as_str()).and_then(|text| text.strip_suffix(last.as_str()));
        let Some(mut inside) = inside else { return false };
        // The leftmost place of each piece leaves the most room for the next.
        middle.iter().all(|piece| match inside.split_once(piece.as_str()) {
            Some((_, after)) => {
                inside = after;
                true
            }
            None => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Events;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern(pattern.split('*').map(str::to_owned).collect()).matches(text)
    }

    #[test]
    fn stars_stand_for_anything() {
        assert!(matches("user.lifecycle.*", "user.lifecycle.create"));
        assert!(!matches("user.lifecycle.*", "user.lifecycles"));
        assert!(matches("*", "") && matches("*", "x") && matches("a**b", "ab"));
        assert!(matches("user.*.mfa.*", "user.x.mfa.y") && !matches("user.*.mfa.*", "user.mfa.y"));
        assert!(matches("exact", "exact") && !matches("exact", "exactly"));
        assert!(!matches("ab*ba", "aba"));
    }

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
