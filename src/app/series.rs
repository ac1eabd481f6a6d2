//! Creates all series of metrics with bounded labels at the start, so that an alert does not miss the first event.

use std::sync::Arc;

use crate::{
    command::engine::Engines,
    config::{Config, SinkConfig},
    doorbell::Doorbell,
    invariant::Invariant,
    telemetry::metrics,
};

/// Creates them, at 0.
pub(super) fn register(config: &Config, engines: &Engines, doorbells: &[Arc<Doorbell>]) {
    // What is counted before there is a recorder is lost.
    metrics::recorder();
    for (route, _) in config.routes() {
        metrics::route_exists(&route.name);
        #[cfg(feature = "nats")]
        metrics::sink_duplicates(&route.name, 0);
    }
    for route in config.searches.values().flat_map(|search| &search.routes) {
        metrics::search_exists(&route.route.name);
    }
    for sink in config.sinks.values().filter(|sink| matches!(sink, SinkConfig::File(_))) {
        metrics::file_sink_exists(sink.name());
    }
    metrics::spans_exist();
    config.orgs.keys().for_each(|org| metrics::org_exists(org));
    engines.all().for_each(|engine| engine.status().register_metrics());
    doorbells.iter().for_each(|doorbell| doorbell.register_metrics());
    Invariant::register();
}
