//! All that one configuration makes: clients, streams, searches, commands, and the loops over them. What it has in common with the
//! one before is taken from there, so that it goes on untouched. Starts nothing.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::{AppError, Clients, UnusableOrg, clients::client, loops::Loop, unchanged::Unchanged};
use crate::{
    command::engine::Engine,
    config::{Config, RouteConfig, SinkConfig},
    doorbell::Doorbell,
    operations::ConfigChange,
    overview::{RouteView, Setup, Shown},
    route::{Route, RouteStatus},
    search::{Search, SearchRoute},
    source::Stream,
    state::State,
};

/// What one configuration makes.
#[derive(Debug)]
pub(super) struct Topology {
    pub(super) config: Config,
    feeds: Feeds,
    searches: BTreeMap<String, RunningSearch>,
    engines: BTreeMap<String, Arc<Engine>>,
    /// By their titles.
    loops: BTreeMap<String, Loop>,
}

/// The clients of all orgs and the streams that are read through them.
#[derive(Debug)]
pub(super) struct Feeds {
    pub(super) clients: Clients,
    streams: BTreeMap<String, Arc<Stream>>,
}

/// A search, and since when its slots are waited for.
#[derive(Debug, Clone)]
struct RunningSearch {
    search: Arc<Search>,
    up_since: Timestamp,
}

/// How one topology becomes another.
#[derive(Debug, Default)]
pub(super) struct TopologyChange {
    pub(super) ends: Vec<Loop>,
    pub(super) begins: Vec<Loop>,
    pub(super) told: ConfigChange,
}

impl Feeds {
    /// Those of `config`; `before` has those of the configuration before, and what is the same in both.
    pub(super) fn of(config: &Config, before: Option<(&Self, &Unchanged)>) -> Result<Self, UnusableOrg> {
        let mut feeds = Self { clients: Clients::new(), streams: BTreeMap::new() };
        for (name, org) in &config.orgs {
            let kept = before.filter(|(_, same)| same.orgs.contains(name));
            let made = match kept.and_then(|(before, _)| before.clients.get(name)) {
                Some(client) => Arc::clone(client),
                None => Arc::new(client(org.clone())?),
            };
            feeds.clients.insert(name.clone(), made);
        }
        for (name, stream) in &config.streams {
            // Loading the configuration has checked that it exists.
            let Some(client) = feeds.clients.get(&stream.org) else { continue };
            let kept = before.filter(|(_, same)| same.streams.contains(name));
            let made = match kept.and_then(|(before, _)| before.streams.get(name)) {
                Some(stream) => Arc::clone(stream),
                None => Arc::new(Stream::new(stream.clone(), Arc::clone(client))),
            };
            feeds.streams.insert(name.clone(), made);
        }
        Ok(feeds)
    }
}

impl Topology {
    /// What the first configuration of a process makes.
    pub(super) fn first(config: Config, feeds: Feeds, state: &State) -> Result<Self, AppError> {
        Self::build(config, feeds, state, None)
    }

    /// What `config` makes after this, with which it has `same` in common. Changes nothing of this, and sends nothing to Okta or
    /// a bus.
    pub(super) fn next(&self, config: Config, same: &Unchanged, state: &State) -> Result<Self, AppError> {
        for sink in config.sinks.values() {
            crate::sink::require(sink)?;
        }
        let feeds = Feeds::of(&config, Some((&self.feeds, same)))?;
        Self::build(config, feeds, state, Some((self, same)))
    }

    fn build(
        config: Config,
        feeds: Feeds,
        state: &State,
        before: Option<(&Self, &Unchanged)>,
    ) -> Result<Self, AppError> {
        let (searches, engines, loops) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut topology = Self { config, feeds, searches, engines, loops };
        // Those that can fail come first: the others have their series on the page of metrics from then on.
        let mut loops = topology.of_commands(state, before)?;
        loops.extend(topology.of_streams(state, before));
        loops.extend(topology.of_searches(state, before));
        topology.loops = loops.into_iter().map(|each| (each.title(), each)).collect();
        Ok(topology)
    }

    fn of_streams(&self, state: &State, before: Option<(&Self, &Unchanged)>) -> Vec<Loop> {
        let mut loops = Vec::new();
        for (name, stream) in &self.feeds.streams {
            let Some(config) = self.config.streams.get(name) else { continue };
            for route in &config.routes {
                if let Some(kept) = route_before(before, &route.name) {
                    loops.push(kept);
                    continue;
                }
                // Loading the configuration has checked that it exists.
                let Some(sink) = self.sink_of(route, before) else { continue };
                let (standby, stream) = (self.config.standby.as_ref(), Arc::clone(stream));
                let route = Route::new(route.clone(), sink, standby, stream, state.clone());
                loops.push(Loop::Stream(Arc::new(route), config.poll_interval.longest()));
            }
        }
        loops
    }

    fn of_searches(&mut self, state: &State, before: Option<(&Self, &Unchanged)>) -> Vec<Loop> {
        let up_since = Timestamp::now();
        let mut loops = Vec::new();
        for (name, search) in &self.config.searches {
            let Some(client) = self.feeds.clients.get(&search.org) else { continue };
            let kept = before.filter(|(_, same)| same.searches.contains(name));
            let running = kept.and_then(|(before, _)| before.searches.get(name).cloned());
            let running = running.unwrap_or_else(|| {
                let search = Search::new(search.clone(), Arc::clone(client), state.searches_directory());
                RunningSearch { search: Arc::new(search), up_since }
            });
            for route in &search.routes {
                if let Some(kept) = route_before(before, &route.route.name) {
                    loops.push(kept);
                    continue;
                }
                let Some(sink) = self.sink_of(&route.route, before) else { continue };
                let search = Arc::clone(&running.search);
                let route = SearchRoute::new(route.clone(), sink, search, state.clone(), running.up_since);
                loops.push(Loop::Search(Arc::new(route)));
            }
            self.searches.insert(name.clone(), running);
        }
        loops
    }

    /// The sink of a route that begins, with where its files were `before`.
    fn sink_of(&self, route: &RouteConfig, before: Option<(&Self, &Unchanged)>) -> Option<SinkConfig> {
        let mut sink = self.config.sink_of(route)?.clone();
        let was = before.and_then(|(before, _)| {
            let (was, _) = before.config.routes().find(|(was, _)| was.name == route.name)?;
            before.config.sink_of(was)
        });
        if let (SinkConfig::File(file), Some(SinkConfig::File(was))) = (&mut sink, was)
            && was.directory != file.directory
        {
            file.former_directory = Some(was.directory.clone());
        }
        Some(sink)
    }

    fn of_commands(
        &mut self,
        state: &State,
        before: Option<(&Self, &Unchanged)>,
    ) -> Result<Vec<Loop>, AppError> {
        let mut loops = Vec::new();
        for (name, commands) in &self.config.commands {
            let Some(client) = self.feeds.clients.get(&commands.org) else { continue };
            let kept = before.filter(|(_, same)| same.commands.contains(name));
            let engine = match kept.and_then(|(before, _)| before.engines.get(name)) {
                Some(engine) => Arc::clone(engine),
                None => Arc::new(Engine::new(commands.clone(), Arc::clone(client), state.clone())?),
            };
            loops.push(Loop::Commands(Arc::clone(&engine), self.config.journal_keep()));
            self.engines.insert(name.clone(), engine);
        }
        Ok(loops)
    }

    /// What becomes of the loops of this if `next` follows.
    pub(super) fn change_to(&self, next: &Self) -> TopologyChange {
        let mut change = TopologyChange::default();
        for (title, begins) in &next.loops {
            let told = match self.loops.get(title) {
                Some(before) if before.is(begins) => &mut change.told.kept,
                Some(before) => {
                    change.ends.push(before.clone());
                    change.begins.push(begins.clone());
                    &mut change.told.changed
                }
                None => {
                    change.begins.push(begins.clone());
                    &mut change.told.added
                }
            };
            told.push(title.clone());
        }
        for (title, ends) in self.loops.iter().filter(|(title, _)| !next.loops.contains_key(*title)) {
            change.ends.push(ends.clone());
            change.told.removed.push(title.clone());
        }
        change.told.settings = self.config.changed_settings(&next.config);
        change
    }

    pub(super) fn loops(&self) -> impl Iterator<Item = &Loop> {
        self.loops.values()
    }

    /// The loop of the route of this name.
    pub(super) fn route(&self, name: &str) -> Option<&Loop> {
        self.loops.get(&format!("route {name}"))
    }

    pub(super) fn clients(&self) -> &Clients {
        &self.feeds.clients
    }

    pub(super) fn engines(&self) -> &BTreeMap<String, Arc<Engine>> {
        &self.engines
    }

    pub(super) fn statuses(&self) -> impl Iterator<Item = Arc<RouteStatus>> {
        self.loops().filter_map(Loop::view).map(|view| view.status)
    }

    /// What is shown of it, with these doorbells.
    pub(super) fn shown(&self, doorbells: Vec<Arc<Doorbell>>) -> Shown {
        Shown {
            routes: self.loops().filter_map(Loop::view).collect::<Vec<RouteView>>(),
            commands: self.engines.values().map(|engine| engine.status()).collect(),
            streams: self.feeds.streams.values().cloned().collect(),
            doorbells,
            clients: self.feeds.clients.values().cloned().collect(),
            setup: Setup::of(&self.config),
            stalled_after: self.config.runtime.admin.stalled_after,
        }
    }

    /// It runs: `doorbells` wake its streams, and these know how many routes read them.
    pub(super) fn connect(&self, doorbells: &[Arc<Doorbell>]) {
        for (name, stream) in &self.feeds.streams {
            stream.read_by(self.config.streams.get(name).map_or(0, |config| config.routes.len()));
        }
        for doorbell in doorbells {
            doorbell.exchange_streams(self.feeds.streams.values());
        }
    }

    /// Reads the secrets of orgs and of the signatures of commands again.
    pub(super) async fn reload_secrets(&self) {
        for client in self.feeds.clients.values() {
            client.reload_secret().await;
        }
        for engine in self.engines.values() {
            engine.reload_keys().await;
        }
    }
}

fn route_before(before: Option<(&Topology, &Unchanged)>, name: &str) -> Option<Loop> {
    let (before, same) = before?;
    let is_same = same.routes.contains(name);
    before.route(name).filter(|_| is_same).cloned()
}
