//! Creates all series of metrics with bounded labels at the start and with each reload, so that an alert does not miss the first
//! event; and ends those of what the configuration no longer has.

use std::{collections::BTreeSet, sync::Arc};

use super::topology::Topology;
use crate::{
    config::{Config, SinkConfig},
    doorbell::Doorbell,
    invariant::Invariant,
    operations::ReloadOutcome,
    telemetry::{ended_series, metrics},
};

/// Creates them, at 0.
pub(super) fn register(topology: &Topology, doorbells: &[Arc<Doorbell>]) {
    // What is counted before there is a recorder is lost.
    metrics::recorder();
    create(topology, &BTreeSet::new());
    doorbells.iter().for_each(|doorbell| doorbell.register_metrics());
    Invariant::register();
    metrics::config_loaded(&ReloadOutcome::RESULTS);
    metrics::spans_exist();
}

/// Creates those that `after` has more than `before`, and ends those that it has no more.
pub(super) fn exchange(before: &Config, after: &Topology) {
    let (had, has) = (labels(before), labels(&after.config));
    for (label, value) in had.difference(&has) {
        ended_series::end(label, value);
    }
    for (label, value) in has.difference(&had) {
        ended_series::resume(label, value);
    }
    create(after, &had);
}

fn create(topology: &Topology, had: &BTreeSet<(&'static str, String)>) {
    let config = &topology.config;
    let is_new = |label, value: &str| !had.contains(&(label, value.to_owned()));
    for (route, _) in config.routes().filter(|(route, _)| is_new("route", &route.name)) {
        metrics::route_exists(&route.name);
        #[cfg(feature = "nats")]
        metrics::sink_duplicates(&route.name, 0);
    }
    let of_searches = config.searches.values().flat_map(|search| &search.routes);
    for route in of_searches.filter(|route| is_new("route", &route.route.name)) {
        metrics::search_exists(&route.route.name);
    }
    for sink in file_sinks(config).filter(|sink| is_new("sink", sink)) {
        metrics::file_sink_exists(sink);
    }
    config.orgs.keys().filter(|org| is_new("org", org)).for_each(|org| metrics::org_exists(org));
    // Those that there were may execute other actions now.
    topology.engines().values().for_each(|engine| engine.status().register_metrics());
}

/// The labels of a configuration.
fn labels(config: &Config) -> BTreeSet<(&'static str, String)> {
    let routes = || config.routes().map(|(route, _)| route.name.clone());
    let commands = || config.commands.keys().cloned();
    let of = |label: &'static str| move |value| (label, value);
    routes()
        .map(of("route"))
        .chain(commands().map(of("commands")))
        .chain(routes().chain(commands()).map(of("task")))
        .chain(config.orgs.keys().cloned().map(of("org")))
        .chain(config.streams.keys().cloned().map(of("stream")))
        .chain(file_sinks(config).map(str::to_owned).map(of("sink")))
        .collect()
}

/// Only these have series of their own.
fn file_sinks(config: &Config) -> impl Iterator<Item = &str> {
    config.sinks.values().filter(|sink| matches!(sink, SinkConfig::File(_))).map(SinkConfig::name)
}
