//! A search: what its routes share. Each window is read once for all routes that run it, into a spool.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use okta_client::{Client, Priority, logs};

use super::{
    files::{Files, Needed, ReadingId, WindowName},
    plan::{Plan, Progress, Run},
    spool::{Spool, SpoolError, SpoolWriter},
};
use crate::{
    config::{SearchConfig, WindowConfig},
    route::{RouteStatus, report_okta, report_okta_answer},
    source::{
        LogSource,
        window::{WindowReader, WindowStep},
    },
    state::RecentSet,
    telemetry::chain,
};

/// How often a route that waits shows that it is alive.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// A bounded query on a schedule.
#[derive(Debug)]
pub struct Search {
    config: SearchConfig,
    client: Arc<Client>,
    source: Arc<dyn LogSource>,
    plan: Plan,
    files: Arc<Files>,
    /// Held while a window is read, so that it is read once.
    reading: tokio::sync::Mutex<()>,
    /// Where the routes stand, by their names.
    standing: Mutex<BTreeMap<String, RouteState>>,
}

/// What a route needs of what is on the disk.
#[derive(Debug)]
struct RouteState {
    /// What it is at work with.
    window: Option<WindowName>,
    /// Those that it has delivered or delivers now.
    readings: Vec<ReadingId>,
}

impl Search {
    /// The search of `config`, read through `client`; its spools are kept in `directory`.
    pub fn new(config: SearchConfig, client: Arc<Client>, directory: PathBuf) -> Self {
        let source = Arc::clone(&client);
        Self::with_source(config, client, source, directory)
    }

    /// A search whose events come from `source`.
    pub(super) fn with_source(
        config: SearchConfig,
        client: Arc<Client>,
        source: Arc<dyn LogSource>,
        directory: PathBuf,
    ) -> Self {
        let plan = Plan::new(&config);
        let files = Files::new(directory, &config.name, client.org().url.as_str(), &config.query);
        Self {
            config,
            client,
            source,
            plan,
            files: Arc::new(files),
            reading: tokio::sync::Mutex::new(()),
            standing: Mutex::default(),
        }
    }

    /// What was configured.
    pub fn config(&self) -> &SearchConfig {
        &self.config
    }

    /// The client of its org.
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// A route says where it stands: on its start, and whenever a run begins or ends. What no route needs any more is
    /// removed once all have said it.
    pub(super) fn stands(&self, route: &str, progress: &Progress) {
        let run = progress.run.as_ref();
        let of_run = run.map(|run| [run.found_before, run.reading]).unwrap_or_default();
        let readings = of_run.into_iter().chain([progress.found]).flatten().collect();
        let window = run.map(|run| self.files.window(run));
        let needed = {
            let mut standing = self.standing();
            standing.insert(route.to_owned(), RouteState { window, readings });
            if standing.len() < self.config.routes.len() {
                return;
            }
            Needed {
                windows: standing.values().filter_map(|stands| stands.window.clone()).collect(),
                readings: standing.values().flat_map(|stands| stands.readings.iter().copied()).collect(),
            }
        };
        if let Err(err) = self.files.remove_unneeded(&needed) {
            tracing::warn!(search = self.config.name, error = %err, "spools that are not needed any more cannot be removed");
        }
    }

    /// The whole window of `run`, from the disk or from Okta, as often as it takes. May be dropped at any time.
    pub(super) async fn spool(&self, run: &Run, status: &RouteStatus) -> Result<Spool, SpoolError> {
        let _reading = self.turn(status).await;
        let window = self.files.window(run);
        let path = self.files.spool(&window);
        match off_runtime(&path, Spool::open).await {
            Ok(Some(spool)) => return Ok(spool),
            Ok(None) => {}
            Err(err) => {
                tracing::warn!(search = self.config.name, error = chain(&err), "the window is read again");
            }
        }
        self.read(run, status, window, path).await
    }

    /// Waits while another route reads, and gives a sign of life meanwhile.
    async fn turn(&self, status: &RouteStatus) -> tokio::sync::MutexGuard<'_, ()> {
        loop {
            match tokio::time::timeout(SIGN_OF_LIFE, self.reading.lock()).await {
                Ok(turn) => return turn,
                Err(_) => status.search(|_| {}),
            }
        }
    }

    async fn read(
        &self,
        run: &Run,
        status: &RouteStatus,
        window_name: WindowName,
        path: PathBuf,
    ) -> Result<Spool, SpoolError> {
        let (known, mut covering) = (self.known(run, &path).await?, RecentSet::default());
        let overlap_from = self.overlap_from(run);
        let mut writer = off_runtime(&path, SpoolWriter::create).await?;
        let query = &self.config.query;
        let window = logs::Window {
            since: run.since,
            until: run.until,
            filter: query.filter.clone(),
            q: query.q.clone(),
            order: query.order,
            page_size: query.page_size,
        };
        let (source, org) = (Arc::clone(&self.source), self.client.org().url.clone());
        // What was found before does not count, so the limit is for what is new.
        let mut left = query.limit.unwrap_or(u64::MAX);
        let mut reader = WindowReader::from_source(source, org, Priority::Search, window, None);
        while left > 0 {
            let part = match reader.step().await {
                WindowStep::Events(part) => part,
                WindowStep::Ended => break,
                WindowStep::Failed { error, wait } => {
                    report_okta(status, &error);
                    tokio::time::sleep(wait).await;
                    continue;
                }
            };
            report_okta_answer(status);
            let mut found = Vec::new();
            for (event, index) in part.events.iter().zip(0..) {
                if part.left_out.binary_search(&index).is_ok() || left == 0 {
                    continue;
                }
                let identity = event.identity();
                let published = event.published().and_then(|published| published.parse::<Timestamp>().ok());
                if overlap_from.is_some_and(|from| published.is_none_or(|published| published >= from)) {
                    covering.insert(&identity);
                }
                if !known.contains(&identity) {
                    found.push(event.raw());
                    left -= 1;
                }
            }
            writer = off_runtime(&path, move |_| {
                found.iter().try_for_each(|event| writer.push(event))?;
                Ok(writer)
            })
            .await?;
        }
        let (files, is_read_again) = (Arc::clone(&self.files), overlap_from.is_some());
        off_runtime(&path, move |_| {
            if is_read_again {
                files.write_found(&window_name, writer.reading(), &covering)?;
            }
            writer.finish()
        })
        .await
    }

    /// From when on the next run will read again what this one reads.
    fn overlap_from(&self, run: &Run) -> Option<Timestamp> {
        match self.config.window {
            WindowConfig::SinceLast { overlap, .. } if !overlap.is_zero() => Some(run.until - overlap),
            WindowConfig::SinceLast { .. } | WindowConfig::LookBack { .. } => None,
        }
    }

    /// What the run before has found in the part of the window that is read again.
    async fn known(&self, run: &Run, path: &Path) -> Result<RecentSet, SpoolError> {
        if run.since >= run.known_until {
            return Ok(RecentSet::default());
        }
        let known = match run.found_before {
            Some(reading) => {
                let files = Arc::clone(&self.files);
                off_runtime(path, move |_| Ok(files.found(reading))).await?
            }
            None => None,
        };
        Ok(known.unwrap_or_else(|| {
            tracing::info!(
                search = self.config.name,
                until = %run.known_until,
                "what was found in the overlap is not known: it may come a second time, with the same ids"
            );
            RecentSet::default()
        }))
    }

    fn standing(&self) -> MutexGuard<'_, BTreeMap<String, RouteState>> {
        // Nothing panics while the lock is held.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn off_runtime<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(&Path) -> Result<T, SpoolError> + Send + 'static,
) -> Result<T, SpoolError> {
    let owned = path.to_owned();
    let done = tokio::task::spawn_blocking(move || work(&owned)).await;
    done.unwrap_or_else(|err| {
        Err(SpoolError::Io { action: "work with", path: path.to_owned(), source: io::Error::other(err) })
    })
}
