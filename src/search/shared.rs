//! A search: what its routes share. Each window is read once for all routes that run it, into a spool.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    plan::{Plan, Run},
    spool::{Spool, SpoolError, SpoolWriter},
};
use crate::{
    config::{SearchConfig, WindowConfig},
    okta::{Client, Priority, logs},
    route::{RouteStatus, report_okta},
    state::RecentSet,
    telemetry::chain,
    window::{Step, WindowReader},
};

/// How often a route that waits shows that it is alive.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// A bounded query on a schedule.
#[derive(Debug)]
pub struct Search {
    config: SearchConfig,
    client: Arc<Client>,
    plan: Plan,
    directory: PathBuf,
    /// Held while a window is read, so that it is read once.
    reading: tokio::sync::Mutex<()>,
    standing: Mutex<Standing>,
}

/// How far the routes are, as far as files depend on it.
#[derive(Debug, Default)]
struct Standing {
    /// Up to where each route has covered the time.
    covered: BTreeMap<String, Timestamp>,
    /// The slots that are at work, with the routes at it.
    at_work: BTreeMap<Timestamp, BTreeSet<String>>,
}

impl Search {
    /// The search of `config`, read through `client`; its spools are kept in `directory`.
    pub fn new(config: SearchConfig, client: Arc<Client>, directory: PathBuf) -> Self {
        let plan = Plan::new(&config);
        Self {
            config,
            client,
            plan,
            directory,
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

    /// A route says where it stands: on its start, and whenever a run begins or ends. Spools and ids that no route needs
    /// any more are removed once all have said it.
    pub(super) fn stands(&self, route: &str, covered: Timestamp, run: Option<Run>) {
        let (at_work, covered) = {
            let mut standing = self.standing();
            standing.covered.insert(route.to_owned(), covered);
            for routes in standing.at_work.values_mut() {
                routes.remove(route);
            }
            if let Some(run) = run {
                standing.at_work.entry(run.slot).or_default().insert(route.to_owned());
            }
            standing.at_work.retain(|_, routes| !routes.is_empty());
            if standing.covered.len() < self.config.routes.len() {
                return;
            }
            let at_work: BTreeSet<_> = standing.at_work.keys().map(|slot| self.spool_path(*slot)).collect();
            (at_work, standing.covered.values().min().copied().unwrap_or(covered))
        };
        if let Err(err) = self.remove_unneeded(&at_work, &self.known_path(covered)) {
            tracing::warn!(search = self.config.name, error = %err, "spools that are not needed any more cannot be removed");
        }
    }

    /// The whole window of `run`, from the disk or from Okta, as often as it takes. May be dropped at any time.
    pub(super) async fn spool(&self, run: &Run, status: &RouteStatus) -> Result<Spool, SpoolError> {
        let _reading = self.turn(status).await;
        let path = self.spool_path(run.slot);
        match off_runtime(&path, Spool::open).await {
            Ok(Some(spool)) => return Ok(spool),
            Ok(None) => {}
            Err(err) => {
                tracing::warn!(search = self.config.name, error = chain(&err), "the window is read again");
            }
        }
        self.read(run, status, path).await
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

    async fn read(&self, run: &Run, status: &RouteStatus, path: PathBuf) -> Result<Spool, SpoolError> {
        let (known, mut covering) = (self.known(run), RecentSet::default());
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
        let client = Arc::clone(&self.client);
        // What was found before does not count, so the limit is for what is new.
        let mut left = query.limit.unwrap_or(u64::MAX);
        let mut reader = WindowReader::new(client, Priority::Search, window, None);
        while left > 0 {
            let part = match reader.step().await {
                Step::Part(part) => part,
                Step::Ended => break,
                Step::Failed { error, wait } => {
                    report_okta(status, &error);
                    tokio::time::sleep(wait).await;
                    continue;
                }
            };
            status.okta_answered();
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
        let known_path = overlap_from.map(|_| self.known_path(run.until));
        off_runtime(&path, move |_| {
            if let Some(known_path) = known_path {
                write_known(&known_path, &covering)?;
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
    fn known(&self, run: &Run) -> RecentSet {
        if run.since >= run.known_until {
            return RecentSet::default();
        }
        let path = self.known_path(run.known_until);
        let known = fs::read(&path).ok().and_then(|bytes| RecentSet::from_bytes(&bytes));
        known.unwrap_or_else(|| {
            tracing::info!(
                search = self.config.name,
                until = %run.known_until,
                "what was found in the overlap is not known: it may come a second time, with the same ids"
            );
            RecentSet::default()
        })
    }

    fn spool_path(&self, slot: Timestamp) -> PathBuf {
        self.directory.join(format!("{}.{}.spool", self.config.name, stamp(slot)))
    }

    fn known_path(&self, until: Timestamp) -> PathBuf {
        self.directory.join(format!("{}.{}.known", self.config.name, stamp(until)))
    }

    /// Removes spools that are not at work, and lists of ids from before `known`, whose names sort by time.
    fn remove_unneeded(&self, at_work: &BTreeSet<PathBuf>, known: &Path) -> io::Result<()> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(err) => return Err(err),
        };
        // Names of searches have no dot.
        let prefix = format!("{}.", self.config.name);
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if !name.starts_with(&prefix) {
                continue;
            }
            let is_unneeded = match path.extension().and_then(|extension| extension.to_str()) {
                Some("spool") => !at_work.contains(&path),
                Some("known") => path.as_path() < known,
                _ => false,
            };
            if is_unneeded {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        // Nothing panics while the lock is held.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A time as a part of a file's name: sorts as times do.
fn stamp(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%S%3fZ").to_string()
}

fn write_known(path: &Path, known: &RecentSet) -> Result<(), SpoolError> {
    let io = |action, source| SpoolError::Io { action, path: path.to_owned(), source };
    let draft = path.with_extension("known-draft");
    fs::write(&draft, known.to_bytes()).map_err(|err| io("write the ids beside", err))?;
    let synced = fs::File::open(&draft).and_then(|file| file.sync_all());
    synced.map_err(|err| io("sync the ids beside", err))?;
    fs::rename(&draft, path).map_err(|err| io("put into place the ids beside", err))
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
