//! Warnings about valid settings that are probably mistakes: filters that match no event type of Okta, filters that
//! Okta may refuse, queues with unsigned commands, and streams that would grow without end. Refuses nothing.

use super::{CommandsConfig, Config, NatsSink, Problem, SelectionConfig, SinkConfig, problem::nearest};
use okta_system_log::{
    event::{Pattern, catalogue},
    scim,
};

impl Config {
    /// The warnings, each with its place in the configuration.
    pub fn warnings(&self) -> Vec<Problem> {
        let mut warnings = Vec::new();
        for stream in self.streams.values() {
            let path = format!("streams.{}.filter", stream.name);
            warnings.extend(filter_warnings(&path, stream.filter.as_deref()));
        }
        for search in self.searches.values() {
            let path = format!("searches.{}", search.name);
            warnings.extend(filter_warnings(&path, search.query.filter.as_deref()));
        }
        for (owner, _, route) in self.owned_routes() {
            let path = format!("{owner}.routes ({})", route.name);
            warnings.extend(selection_warnings(&path, &route.selection));
        }
        for commands in self.commands.values() {
            let path = format!("commands.{}.signature", commands.name);
            warnings.extend(commands.signature_doubts().map(|reason| Problem::new(&path, reason)));
        }
        for (name, sink) in &self.sinks {
            if let SinkConfig::Nats(sink) = sink
                && let Some(reason) = endless_stream(sink)
            {
                warnings.push(Problem::new(format!("sinks.{name}.create"), reason));
            }
        }
        warnings
    }
}

impl CommandsConfig {
    /// Warnings about the signatures of commands of the queue.
    fn signature_doubts(&self) -> impl Iterator<Item = &'static str> {
        let signature = self.signature.as_ref().filter(|_| self.intake.is_some());
        let obeys_all = signature.is_some_and(|signature| !signature.required);
        let takes_v1 = signature.is_some_and(|signature| signature.accept_v1 && !signature.keys.is_empty());
        let obeys_all =
            obeys_all.then_some("anyone who can write to the queue is obeyed: `required` is false");
        let takes_v1 = takes_v1.then_some(
            "`accept_v1` takes signatures that name neither org nor commands: they are good for other queues too",
        );
        obeys_all.into_iter().chain(takes_v1)
    }
}

/// What it costs that the stream would be created without bounds, if it would be.
fn endless_stream(sink: &NatsSink) -> Option<String> {
    let create = sink.create.as_ref()?;
    let is_endless = create.max_age.is_zero() && create.max_bytes.is_none();
    is_endless.then(|| {
        format!(
            "the stream `{}` is created without bounds, unless it is there already: it keeps every message until the server's \
             disk or the account's limit is full, and then no stream there takes any more; set `max_age`, after which messages \
             go, or `max_bytes`, at which the route waits, or both",
            sink.stream
        )
    })
}

/// Warnings about the SCIM filter at `path`.
pub(crate) fn filter_warnings(path: &str, filter: Option<&str>) -> Vec<Problem> {
    // What Okta could not take has been refused.
    let Some(Ok(read)) = filter.map(scim::read) else { return Vec::new() };
    let doubts = read.doubts.into_iter().map(|doubt| format!("{doubt}: Okta may refuse it"));
    let idle = read.comparisons.iter().filter_map(|comparison| {
        let value = &*comparison.value;
        match (comparison.attribute, comparison.operator.as_str()) {
            ("eventType", "eq") => event_type_doubt(value),
            ("eventType", "sw") => event_type_doubt(&format!("{value}*")),
            ("eventType", "ew") => event_type_doubt(&format!("*{value}")),
            ("eventType", "co") => event_type_doubt(&format!("*{value}*")),
            ("outcome.result", "eq") => value_doubt("outcome", value, &catalogue::OUTCOMES),
            ("severity", "eq") => value_doubt("severity", value, &catalogue::SEVERITIES),
            _ => None,
        }
    });
    doubts.chain(idle).map(|reason| Problem::new(path, reason)).collect()
}

fn selection_warnings(path: &str, selection: &SelectionConfig) -> Vec<Problem> {
    let SelectionConfig { event_types, categories, outcomes, severities } = selection;
    let event_types = event_types.iter().filter_map(|pattern| event_type_doubt(pattern));
    let categories = categories.iter().filter_map(|category| {
        let beginnings = catalogue::beginnings();
        let is_known = beginnings.contains(category.as_str());
        (!is_known).then(|| no_event("category", category, nearest(category, beginnings.iter().copied())))
    });
    let outcomes =
        outcomes.iter().filter_map(|outcome| value_doubt("outcome", outcome, &catalogue::OUTCOMES));
    let severities =
        severities.iter().filter_map(|severity| value_doubt("severity", severity, &catalogue::SEVERITIES));
    let all = event_types.chain(categories).chain(outcomes).chain(severities);
    all.map(|reason| Problem::new(path, reason)).collect()
}

/// Why no event type of Okta's catalogue fits `typed`, in which `*` matches any text; none if one fits.
fn event_type_doubt(typed: &str) -> Option<String> {
    let pattern = Pattern::new(typed);
    if catalogue::event_types().any(|event_type| pattern.matches(event_type)) {
        return None;
    }
    let lower = typed.to_ascii_lowercase();
    let inside = lower.trim_matches('*').trim_matches('.');
    let (before, after) = (typed.starts_with('*'), typed.ends_with('*'));
    let like = match (before, after) {
        (false, false) => nearest(inside, catalogue::event_types()).map(str::to_owned),
        (false, true) => {
            nearest(inside, catalogue::beginnings().iter().copied()).map(|like| format!("{like}.*"))
        }
        (true, false) => nearest(inside, catalogue::ends().iter().copied()).map(|like| format!("*.{like}")),
        (true, true) => None,
    };
    Some(no_event("event type", typed, like.as_deref()))
}

/// Why `typed` is no value of `known`, if it is not.
fn value_doubt(what: &str, typed: &str, known: &[&'static str]) -> Option<String> {
    if known.contains(&typed) {
        return None;
    }
    let upper = typed.to_ascii_uppercase();
    Some(no_event(what, typed, nearest(&upper, known.iter().copied())))
}

fn no_event(what: &str, typed: &str, like: Option<&str>) -> String {
    let like = like.map(|like| format!("; did you mean `{like}`?")).unwrap_or_default();
    format!("`{typed}` fits no {what} that Okta documents, so that nothing may come{like}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(warnings: Vec<Problem>) -> Vec<String> {
        warnings.into_iter().map(|warning| warning.reason).collect()
    }

    #[test]
    fn what_no_event_meets_is_told_with_what_is_nearest() {
        for (typed, like) in [
            ("user.lifecyle.*", "user.lifecycle.*"),
            ("User.Session.*", "user.session.*"),
            ("user.session.strat", "user.session.start"),
            ("*.fial", "*.fail"),
            ("user.lifecycle.*.x", "user.lifecycle"),
        ] {
            let doubt = event_type_doubt(typed).unwrap();
            assert!(doubt.starts_with(&format!("`{typed}` fits no event type")), "{doubt}");
            assert!(doubt.contains(&format!("did you mean `{like}")), "{doubt}");
        }
        for (typed, like) in [("FAIL", "FAILURE"), ("denied", "DENY"), ("Success", "SUCCESS")] {
            assert!(
                value_doubt("outcome", typed, &catalogue::OUTCOMES).unwrap().contains(&format!("`{like}`?"))
            );
        }
        for (typed, like) in [("warn", "WARN"), ("warning", "WARN"), ("err", "ERROR")] {
            assert!(
                value_doubt("severity", typed, &catalogue::SEVERITIES)
                    .unwrap()
                    .contains(&format!("`{like}`?"))
            );
        }
    }

    #[test]
    fn what_events_meet_is_not_told() {
        for typed in
            ["user.lifecycle.*", "*", "*mfa*", "*.fail", "user.*.start", "user.session.start", "user*"]
        {
            assert_eq!(event_type_doubt(typed), None, "{typed}");
        }
        let selection = SelectionConfig {
            categories: vec!["user.lifecycle".to_owned(), "user".to_owned()],
            outcomes: catalogue::OUTCOMES.map(str::to_owned).to_vec(),
            severities: catalogue::SEVERITIES.map(str::to_owned).to_vec(),
            ..SelectionConfig::default()
        };
        assert_eq!(reasons(selection_warnings("r", &selection)), [""; 0]);
        let filter = r#"eventType sw "user." and (outcome.result eq "DENY" or severity eq "WARN") and actor.id eq "x""#;
        assert_eq!(reasons(filter_warnings("f", Some(filter))), [""; 0]);
        assert_eq!(reasons(filter_warnings("f", None)), [""; 0]);
    }

    #[test]
    fn filters_and_selections_are_looked_through_alike() {
        let filter = r#"eventType in ["user.lifecycle.create", "user.lifecyle.create"] and outcome.result eq "FAIL" and severity eq "warn""#;
        let told = reasons(filter_warnings("f", Some(filter)));
        assert_eq!(told.len(), 3, "{told:?}");
        let doubtful = reasons(filter_warnings("f", Some(r#"a/b eq "x""#)));
        assert!(doubtful.len() == 1 && doubtful[0].ends_with("Okta may refuse it"), "{doubtful:?}");
        let selection = SelectionConfig {
            event_types: vec!["user.lifecyle.*".to_owned()],
            categories: vec!["usr".to_owned()],
            outcomes: vec!["FAIL".to_owned()],
            severities: vec!["warn".to_owned()],
        };
        let told = reasons(selection_warnings("r", &selection));
        assert!(told.len() == 4 && told.iter().all(|reason| reason.contains("did you mean")), "{told:?}");
    }
}
