//! What two configurations have in common, so that it need not be touched when one follows the other. Pure.

use std::collections::BTreeSet;

use crate::config::{CommandsConfig, Config, IntakeConfig, RingSource, RouteConfig, SinkConfig};

/// The names of what is the same in both, with all that it depends on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unchanged {
    pub(super) orgs: BTreeSet<String>,
    /// Without regard to their routes.
    pub(super) streams: BTreeSet<String>,
    pub(super) searches: BTreeSet<String>,
    pub(super) routes: BTreeSet<String>,
    pub(super) commands: BTreeSet<String>,
    pub(super) doorbells: bool,
    pub(super) admin: bool,
}

/// Keys that cannot change while the daemon runs: where its state is and what that has of limits, how the log looks, and where
/// traces go.
const FIXED: [&str; 3] = ["state", "log.style", "traces"];

/// The keys of `after` that say something else than in `before` and need a restart.
pub(super) fn needs_restart(before: &Config, after: &Config) -> Vec<String> {
    FIXED.iter().flat_map(|path| before.typed.differences(&after.typed, path)).collect()
}

/// Compares two configurations.
struct Comparison<'a> {
    before: &'a Config,
    after: &'a Config,
}

impl Unchanged {
    /// All of `config` but the route of this name.
    pub(super) fn but_route(config: &Config, route: &str) -> Self {
        let mut same = Self::between(config, config);
        same.routes.remove(route);
        same
    }

    /// What `after` has in common with `before`.
    pub(super) fn between(before: &Config, after: &Config) -> Self {
        let compared = Comparison { before, after };
        let mut same = Self {
            orgs: names(after.orgs.keys(), |org| compared.same_org(org)),
            admin: compared.same_at("admin"),
            doorbells: compared.same_doorbells(),
            ..Self::default()
        };
        same.streams = names(after.streams.keys(), |stream| compared.same_stream(stream, &same.orgs));
        same.searches = names(after.searches.keys(), |search| compared.same_search(search, &same.orgs));
        same.commands = names(after.commands.keys(), |name| compared.same_commands(name, &same.orgs));
        same.routes = compared.same_routes(&same);
        same
    }
}

fn names<'a>(all: impl Iterator<Item = &'a String>, is_same: impl Fn(&str) -> bool) -> BTreeSet<String> {
    all.filter(|name| is_same(name)).cloned().collect()
}

impl Comparison<'_> {
    fn same_at(&self, path: &str) -> bool {
        self.before.typed.same(&self.after.typed, path, &[])
    }

    fn same_org(&self, name: &str) -> bool {
        let (Some(before), Some(after)) = (self.before.orgs.get(name), self.after.orgs.get(name)) else {
            return false;
        };
        // Who may ring is no matter of its client.
        let same = self.before.typed.same(&self.after.typed, &format!("orgs.{name}"), &["doorbell"]);
        same && before.scopes == after.scopes
    }

    fn same_bus(&self, name: &str) -> bool {
        self.same_at(&format!("buses.{name}"))
    }

    fn same_sink(&self, name: &str) -> bool {
        let (Some(before), Some(after)) = (self.before.sinks.get(name), self.after.sinks.get(name)) else {
            return false;
        };
        // The bus need not be typed where there is one of its kind.
        self.same_at(&format!("sinks.{name}"))
            && before.bus() == after.bus()
            && after.bus().is_none_or(|bus| self.same_bus(bus))
    }

    fn same_stream(&self, name: &str, orgs: &BTreeSet<String>) -> bool {
        self.before.streams.contains_key(name)
            && self.after.streams.get(name).is_some_and(|stream| orgs.contains(&stream.org))
            && self.before.typed.same(&self.after.typed, &format!("streams.{name}"), &["routes"])
    }

    fn same_search(&self, name: &str, orgs: &BTreeSet<String>) -> bool {
        self.before.searches.contains_key(name)
            && self.after.searches.get(name).is_some_and(|search| orgs.contains(&search.org))
            && self.same_at(&format!("searches.{name}"))
    }

    fn same_routes(&self, same: &Unchanged) -> BTreeSet<String> {
        let of_streams = self.after.streams.values().filter(|stream| same.streams.contains(&stream.name));
        let of_streams = of_streams.flat_map(|stream| {
            let before = self.before.streams.get(&stream.name);
            stream.routes.iter().enumerate().filter_map(move |(index, route)| {
                let same = |other: &RouteConfig| other.name == route.name;
                let index_before = before?.routes.iter().position(same)?;
                let path = |index| format!("streams.{}.routes[{index}]", stream.name);
                let (path_before, path) = (path(index_before), path(index));
                let is_same = self.before.typed.same_as(&path_before, &self.after.typed, &path, &[]);
                is_same.then_some(route)
            })
        });
        let of_streams = of_streams.filter(|route| {
            let is_transactional = self.after.sink_of(route).is_some_and(SinkConfig::is_transactional);
            !is_transactional || self.same_at("standby")
        });
        let of_searches = self.after.searches.values().filter(|search| same.searches.contains(&search.name));
        let of_searches = of_searches.flat_map(|search| search.routes.iter().map(|route| &route.route));
        let routes = of_streams.chain(of_searches).filter(|route| self.same_sink(&route.sink));
        routes.map(|route| route.name.clone()).collect()
    }

    fn same_commands(&self, name: &str, orgs: &BTreeSet<String>) -> bool {
        let (Some(before), Some(after)) = (self.before.commands.get(name), self.after.commands.get(name))
        else {
            return false;
        };
        self.same_at(&format!("commands.{name}"))
            && orgs.contains(&after.org)
            && intake_bus(before) == intake_bus(after)
            && intake_bus(after).is_none_or(|bus| self.same_bus(bus))
            && after.sinks().all(|sink| self.same_sink(sink.name()))
            // All sections share the journal.
            && self.before.journal_keep() == self.after.journal_keep()
    }

    fn same_doorbells(&self) -> bool {
        let (before, after) = (&self.before.doorbells.orgs, &self.after.doorbells.orgs);
        let bus = |source: &RingSource| match source {
            RingSource::Hook(_) => None,
            RingSource::Nats { bus, .. } => Some(bus.name.clone()),
        };
        self.same_at("doorbell")
            && before.keys().eq(after.keys())
            && after.iter().all(|(org, source)| {
                self.same_at(&format!("orgs.{org}.doorbell"))
                    && before.get(org).and_then(bus) == bus(source)
                    && bus(source).is_none_or(|bus| self.same_bus(&bus))
            })
    }
}

fn intake_bus(commands: &CommandsConfig) -> Option<&str> {
    match commands.intake.as_ref()? {
        IntakeConfig::Kafka { bus, .. } => Some(&bus.name),
        IntakeConfig::Nats { bus, .. } => Some(&bus.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"
[orgs.acme]
domain = "acme.okta.com"
auth = { token_env = "PATH" }
[orgs.other]
domain = "other.okta.com"
auth = { token_env = "PATH" }
[streams.log]
org = "acme"
routes = [{ sink = "files" }, { sink = "events", event_types = ["user.*"] }]
[streams.second]
org = "other"
routes = [{ sink = "files", name = "second" }]
[searches.logins]
org = "acme"
schedule = "0 * * * *"
routes = [{ sink = "files", name = "logins" }]
[commands.hr]
org = "acme"
intake = { kind = "nats", stream = "C", subject = "c.>" }
outcomes = { sink = "events", subject = "outcomes" }
allow = ["user.get"]
signature = { required = false }
audit = { file = "/var/lib/oktabus-audit/audit.jsonl" }
[buses.nats]
kind = "nats"
servers = ["nats://127.0.0.1:4222"]
[sinks.files]
kind = "file"
directory = "/tmp/archive"
[sinks.events]
kind = "nats"
stream = "OKTA"
subject = "okta.log"
[state]
path = "/tmp/state"
"#;

    fn config(text: &str) -> Config {
        Config::of_text(text).unwrap_or_else(|err| panic!("{}", crate::telemetry::chain(&err)))
    }

    /// What is left the same when `from` becomes `to`: routes, then commands.
    fn left(from: &str, to: &str) -> (Vec<String>, Vec<String>) {
        assert!(CONFIG.contains(from), "{from}");
        let same = Unchanged::between(&config(CONFIG), &config(&CONFIG.replace(from, to)));
        (same.routes.into_iter().collect(), same.commands.into_iter().collect())
    }

    #[test]
    fn what_depends_on_a_change_has_changed_and_nothing_else() {
        let all = ["log/events", "log/files", "logins", "second"].map(str::to_owned);
        let hr = vec!["hr".to_owned()];
        let but = |gone: &[&str]| -> Vec<String> {
            all.iter().filter(|name| !gone.contains(&name.as_str())).cloned().collect()
        };
        assert_eq!(left("path = ", "path =  "), (but(&[]), hr.clone()));
        // A route alone, be it that it stands elsewhere.
        assert_eq!(left("user.*", "group.*"), (but(&["log/events"]), hr.clone()));
        let swapped = r#"{ sink = "events", event_types = ["user.*"] }, { sink = "files" }"#;
        let as_it_was = r#"{ sink = "files" }, { sink = "events", event_types = ["user.*"] }"#;
        assert_eq!(left(as_it_was, swapped), (but(&[]), hr.clone()));
        // A sink, and what feeds it.
        assert_eq!(left("okta.log", "okta.logs"), (but(&["log/events"]), vec![]));
        assert_eq!(left("/tmp/archive", "/tmp/other"), (vec!["log/events".to_owned()], hr.clone()));
        // A bus, and the sinks and queues on it.
        assert_eq!(left("127.0.0.1:4222", "127.0.0.1:4223"), (but(&["log/events"]), vec![]));
        // An org, and what reads it; a stream; a search.
        let other = "\"other.okta.com\"";
        assert_eq!(left(other, "\"another.okta.com\""), (but(&["second"]), hr.clone()));
        let paced = "org = \"other\"\npoll_interval = \"5s\"";
        assert_eq!(left("org = \"other\"", paced), (but(&["second"]), hr.clone()));
        assert_eq!(left("0 * * * *", "1 * * * *"), (but(&["logins"]), hr.clone()));
        // An action needs another right of the org.
        assert_eq!(
            left("\"user.get\"", "\"user.get\", \"group.get\""),
            (but(&["log/events", "log/files", "logins"]), vec![])
        );
        assert_eq!(left("[state]", "[shutdown]\ngrace = \"5s\"\n[state]"), (but(&[]), hr));
    }

    #[test]
    fn doorbells_and_pages_are_compared_by_themselves() {
        let rung = CONFIG.replace(
            "[orgs.other]",
            "doorbell = { kind = \"nats\", subject = \"ring\" }\n[admin]\nlisten = \"127.0.0.1:9\"\n[orgs.other]",
        );
        let same = Unchanged::between(&config(CONFIG), &config(&rung));
        assert!(!same.doorbells && !same.admin && same.orgs.contains("acme"), "{same:?}");
        let elsewhere = Unchanged::between(&config(&rung), &config(&rung.replace(":4222", ":4223")));
        assert!(!elsewhere.doorbells && elsewhere.admin, "{elsewhere:?}");
        assert!(Unchanged::between(&config(&rung), &config(&rung)).doorbells);
    }

    #[test]
    fn what_needs_a_restart_is_named() {
        let moved = CONFIG.replace("\"/tmp/state\"", "\"/tmp/elsewhere\"")
            + "[log]\nstyle = \"json\"\nlevel = \"debug\"\n";
        assert_eq!(needs_restart(&config(CONFIG), &config(&moved)), ["state.path", "log.style"]);
        assert!(needs_restart(&config(CONFIG), &config(CONFIG)).is_empty());
    }
}
