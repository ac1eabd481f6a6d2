//! Checks across sections: clashing names, unused sections, routes that disturb each other.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    CommandsConfig, Config, IntakeConfig, Problem, RedactionConfig, RouteConfig, SinkConfig, exposure,
    file_owners, standby,
};
use crate::message::TOPIC_LENGTH_MAX;

/// Adds what is wrong with `config` as a whole. Unused sections count only if all sections were valid.
pub(super) fn check(config: &Config, is_complete: bool, problems: &mut Vec<Problem>) {
    problems.extend(clashing_names(config));
    problems.extend(file_owners::shared(config));
    problems.extend(file_owners::misplaced_audits(config));
    problems.extend(shared_orgs(config));
    problems.extend(contended_queues(config));
    problems.extend(exposure::misread(config));
    problems.extend(exposure::stored_secrets(config));
    problems.extend(useless_doorbells(config));
    problems.extend(contended_port(config));
    if !is_complete {
        return;
    }
    problems.extend(idle(config));
    problems.extend(too_long_topics(config));
    problems.extend(standby::not_exclusive(config));
    problems.extend(ambiguous_redactions(config));
}

fn clashing_names(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    for (owner, _, route) in config.owned_routes() {
        if !names.insert(&route.name) {
            let reason = format!("two routes are called `{}`: give one of them another `name`", route.name);
            problems.push(Problem::new(format!("{owner}.routes"), reason));
        }
    }
    problems
}

/// Two who act on one org would each count its limits alone, and know nothing of the other's order. It is one org whatever
/// the configuration calls it.
fn shared_orgs(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    for commands in config.commands.values() {
        let Some(org) = config.orgs.get(&commands.org) else { continue };
        let url = org.url.as_str();
        if let Some(other) = known.insert(url, &commands.name) {
            let reason = format!(
                "`{other}` is for {url} too: each would count its limits alone, and neither would keep to the order of the \
                 other; make one of them, with what both allow and an intake that has the commands of both"
            );
            problems.push(Problem::new(format!("commands.{}.org", commands.name), reason));
        }
    }
    problems
}

/// Two readers with one consumer name would each miss the messages of the other.
fn contended_queues(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut known: Vec<(&CommandsConfig, &IntakeConfig)> = Vec::new();
    for commands in config.commands.values() {
        let Some(intake) = &commands.intake else { continue };
        let reason = known.iter().find_map(|(other, other_intake)| {
            let reader = intake.shared_reader(other_intake)?;
            Some(format!("`{}` reads as `{reader}` already: give each its own", other.name))
        });
        if let Some(reason) = reason {
            problems.push(Problem::new(format!("commands.{}.intake", commands.name), reason));
        }
        known.push((commands, intake));
    }
    problems
}

/// Doorbells that would wake nothing.
fn useless_doorbells(config: &Config) -> Vec<Problem> {
    let read: BTreeSet<_> = config.streams.values().map(|stream| &stream.org).collect();
    let useless = config.doorbells.orgs.keys().filter(|org| !read.contains(org));
    let reason = "no stream reads this org: a ring would wake nothing";
    useless.map(|org| Problem::new(format!("orgs.{org}.doorbell"), reason)).collect()
}

/// The admin pages and the doorbell have a listener each.
fn contended_port(config: &Config) -> Option<Problem> {
    let bell = config.doorbells.listener.as_ref()?.listen;
    let admin = config.runtime.admin.listen;
    // The system chooses a free one for port 0.
    let is_same_port = bell.port() == admin.port() && bell.port() != 0;
    let is_same_host = bell.ip() == admin.ip() || bell.ip().is_unspecified() || admin.ip().is_unspecified();
    let reason = format!("the admin pages are at {admin} (admin.listen): give one of the two another port");
    (is_same_port && is_same_host).then(|| Problem::new("doorbell.listen", reason))
}

fn idle(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    if config.streams.is_empty() && config.searches.is_empty() && config.commands.is_empty() {
        let reason = "there is nothing to do: add [streams.system-log]";
        problems.push(Problem::new("streams", reason));
    }
    let of_routes = config.owned_routes().map(|(_, _, route)| route.sink.as_str());
    let of_commands = config.commands.values().flat_map(CommandsConfig::sinks).map(SinkConfig::name);
    let sinks: BTreeSet<_> = of_routes.chain(of_commands).collect();
    for unused in config.sinks.keys().filter(|name| !sinks.contains(name.as_str())) {
        problems.push(Problem::new(format!("sinks.{unused}"), "no route leads to this sink"));
    }
    let of_commands = config.commands.values().map(|commands| commands.org.as_str());
    let orgs: BTreeSet<_> = config.owned_routes().map(|(_, org, _)| org).chain(of_commands).collect();
    for unused in config.orgs.keys().filter(|name| !orgs.contains(name.as_str())) {
        problems.push(Problem::new(
            format!("orgs.{unused}"),
            "no stream or search reads this org, and no commands are for it",
        ));
    }
    problems
}

/// The longest topic depends on the names of the routes that use the sink.
fn too_long_topics(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (route, origin) in config.routes() {
        let Some(SinkConfig::Kafka(sink)) = config.sink_of(route) else { continue };
        let length_max = sink.topic.length_max(&origin);
        if length_max > TOPIC_LENGTH_MAX {
            let reason = format!(
                "for the route `{}` a topic could have {length_max} characters, and Kafka takes {TOPIC_LENGTH_MAX}",
                route.name
            );
            problems.push(Problem::new(format!("sinks.{}.topic", sink.name), reason));
        }
    }
    problems
}

/// Two routes that make different bytes of an event must not give them one id where they could meet: a reader, or the
/// stream itself, would drop one of them as a copy of the other.
fn ambiguous_redactions(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let destination_of = |route: &RouteConfig| config.sink_of(route).map(SinkConfig::destination);
    let mut redacted: Vec<(&str, &RouteConfig, &RedactionConfig)> = Vec::new();
    for (owner, org, route) in config.owned_routes() {
        let Some(redaction) = &route.redaction else { continue };
        let clash = redacted.iter().find(|(known_org, known, known_redaction)| {
            *known_org == org
                && known.format == route.format
                && destination_of(known) == destination_of(route)
                && !known_redaction.is_like(redaction)
        });
        if let Some((_, known, _)) = clash {
            let reason = format!(
                "the routes `{}` and `{}` redact differently and give the same ids to one place: let one of them lead \
                 to another",
                known.name, route.name
            );
            problems.push(Problem::new(format!("{owner}.routes"), reason));
        }
        redacted.push((org, route, redaction));
    }
    problems
}
