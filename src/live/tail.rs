//! Readers of delivered events. Each has a task of its own that picks what is wanted out of what passes, and a queue that is
//! bounded in events and bytes; what has no room in it is counted.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::{
    passed::{PassedEvent, TailFilter, Wanted},
    tap::{PassedBatch, Reader, Tap},
};

/// Tails at a time.
pub const TAILS_MAX: usize = 16;
/// Batches that wait to be looked through. They keep their pages, so there are few.
const BATCHES_MAX: usize = 4;
/// Events that wait to be read.
const EVENTS_MAX: usize = 512;
/// Bytes of them.
const BYTES_MAX: usize = 4 << 20;

/// The taps of all routes.
#[derive(Debug, Clone)]
pub struct Tails {
    taps: Arc<Mutex<Taps>>,
    room: Arc<Semaphore>,
}

/// The taps, and who reads at them.
#[derive(Debug, Default)]
struct Taps {
    routes: BTreeMap<String, Arc<Tap>>,
    /// By their numbers.
    readers: BTreeMap<u64, OpenReader>,
    next_number: u64,
}

/// A tail that is open.
#[derive(Debug)]
struct OpenReader {
    /// The route that it wants; none: all.
    route: Option<String>,
    reader: Reader,
}

/// There is no tail like that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TailError {
    /// There are as many as there may be.
    #[error("{TAILS_MAX} tails are open, and there may be no more: close one")]
    TooMany,
    /// Nothing is called so.
    #[error("there is no route `{route}`; there are: {known}")]
    NoSuchRoute {
        /// What was asked for.
        route: String,
        /// The names that there are.
        known: String,
    },
}

/// What passes.
#[derive(Debug)]
pub enum Passing {
    /// An event that is wanted.
    Event(Box<PassedEvent>),
    /// So many events passed that were not looked at or had no room, since the reader did not keep up.
    Missed(u64),
}

/// Reads the events that pass, from now on. Dropping it closes it.
#[derive(Debug)]
pub struct Tail {
    taps: Arc<Mutex<Taps>>,
    number: u64,
    events: mpsc::Receiver<PassedEvent>,
    backlog: Arc<Backlog>,
    _picking: AbortOnDropHandle<()>,
    _room: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Backlog {
    missed: Arc<AtomicU64>,
    bytes: AtomicUsize,
}

impl Tails {
    /// Of routes by their names.
    pub fn new(routes: impl IntoIterator<Item = (String, Arc<Tap>)>) -> Self {
        let routes = routes.into_iter().collect();
        let taps = Taps { routes, ..Taps::default() };
        Self { taps: Arc::new(Mutex::new(taps)), room: Arc::new(Semaphore::new(TAILS_MAX)) }
    }

    /// These are the routes from now on. Tails that are open go on with those of them that they want.
    pub fn exchange(&self, routes: impl IntoIterator<Item = (String, Arc<Tap>)>) {
        let mut taps = lock(&self.taps);
        let before = std::mem::replace(&mut taps.routes, routes.into_iter().collect());
        for (name, tap) in &taps.routes {
            if before.get(name).is_some_and(|before| Arc::ptr_eq(before, tap)) {
                continue;
            }
            for open in taps.readers.values().filter(|open| open.wants(name)) {
                tap.add(open.reader.clone());
            }
        }
    }

    /// Reads what passes from now on and `filter` wants. Has to be called in the runtime.
    pub fn open(&self, filter: &TailFilter) -> Result<Tail, TailError> {
        let mut taps = lock(&self.taps);
        if let Some(route) = filter.route.as_ref().filter(|route| !taps.routes.contains_key(*route)) {
            let known: Vec<_> = taps.routes.keys().map(String::as_str).collect();
            return Err(TailError::NoSuchRoute { route: route.clone(), known: known.join(", ") });
        }
        let room = Arc::clone(&self.room).try_acquire_owned().map_err(|_| TailError::TooMany)?;

        let (batches, passing) = mpsc::channel(BATCHES_MAX);
        let (picked, events) = mpsc::channel(EVENTS_MAX);
        let number = taps.next_number;
        taps.next_number += 1;
        let missed = Arc::<AtomicU64>::default();
        let backlog = Arc::new(Backlog { missed: Arc::clone(&missed), bytes: AtomicUsize::new(0) });
        let picking = tokio::spawn(pick(passing, Wanted::new(filter), picked, Arc::clone(&backlog)));
        let open = OpenReader { route: filter.route.clone(), reader: Reader { number, batches, missed } };
        for (_, tap) in taps.routes.iter().filter(|(name, _)| open.wants(name)) {
            tap.add(open.reader.clone());
        }
        taps.readers.insert(number, open);
        drop(taps);
        let (taps, _picking) = (Arc::clone(&self.taps), AbortOnDropHandle::new(picking));
        Ok(Tail { taps, number, events, backlog, _picking, _room: room })
    }
}

impl OpenReader {
    fn wants(&self, route: &str) -> bool {
        self.route.as_deref().is_none_or(|wanted| wanted == route)
    }
}

fn lock(taps: &Mutex<Taps>) -> MutexGuard<'_, Taps> {
    // Nothing panics while the lock is held.
    taps.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tail {
    /// Waits for what passes next. Never ends by itself: routes may be silent for long. Cancel-safe.
    pub async fn next(&mut self) -> Passing {
        let missed = self.backlog.missed.swap(0, Ordering::Relaxed);
        if missed > 0 {
            return Passing::Missed(missed);
        }
        match self.events.recv().await {
            Some(event) => {
                self.backlog.bytes.fetch_sub(event.size_bytes(), Ordering::Relaxed);
                Passing::Event(Box::new(event))
            }
            // Nobody picks any more.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let mut taps = lock(&self.taps);
        taps.readers.remove(&self.number);
        for tap in taps.routes.values() {
            tap.remove(self.number);
        }
    }
}

/// Picks what is wanted, for as long as there are taps and somebody who reads.
async fn pick(
    mut passing: mpsc::Receiver<PassedBatch>,
    wanted: Wanted,
    picked: mpsc::Sender<PassedEvent>,
    backlog: Arc<Backlog>,
) {
    while let Some(PassedBatch { messages, delivered }) = passing.recv().await {
        let at = Timestamp::now();
        for index in delivered.iter() {
            let Some(message) = messages.get(*index).filter(|message| wanted.has(message)) else { continue };
            let has_room = backlog.bytes.load(Ordering::Relaxed) < BYTES_MAX;
            let Some(place) = picked.try_reserve().ok().filter(|_| has_room) else {
                backlog.missed.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            if let Some(event) = PassedEvent::of(&message, at) {
                backlog.bytes.fetch_add(event.size_bytes(), Ordering::Relaxed);
                place.send(event);
            }
        }
        // Whoever shares the thread comes first.
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::message::{Messages, tests::batch};

    fn page(events: usize) -> Arc<Messages> {
        let events: Vec<_> =
            (0..events).map(|n| format!(r#"{{"uuid":"u-{n}","eventType":"user.session.start"}}"#)).collect();
        Arc::new(batch(&format!("[{}]", events.join(","))))
    }

    fn tails(tap: &Arc<Tap>) -> Tails {
        Tails::new([("system-log/siem".to_owned(), Arc::clone(tap))])
    }

    async fn id(tail: &mut Tail) -> String {
        match tail.next().await {
            Passing::Event(event) => event.id,
            Passing::Missed(missed) => format!("missed {missed}"),
        }
    }

    #[tokio::test]
    async fn what_is_delivered_is_read_and_nothing_else() {
        let tap = Arc::<Tap>::default();
        let tails = tails(&tap);
        tap.pass(&page(1), 0..1, |_| panic!("nobody watches, so nothing is asked"));
        let mut tail = tails.open(&TailFilter::default()).unwrap();
        tap.pass(&page(5), 1..4, |index| index == 2);
        assert_eq!((id(&mut tail).await, id(&mut tail).await), ("acme:u-1".into(), "acme:u-3".into()));
        drop(tail);
        tap.pass(&page(1), 0..1, |_| panic!("nobody watches any more"));
    }

    #[tokio::test]
    async fn a_reader_that_does_not_keep_up_delays_nobody_and_knows_what_it_missed() {
        let tap = Arc::<Tap>::default();
        let tails = tails(&tap);
        let (mut idle, mut eager) =
            (tails.open(&TailFilter::default()).unwrap(), tails.open(&TailFilter::default()).unwrap());
        let (batches, events) = (50, 100);
        let mut read = 0;
        for _ in 0..batches {
            // It returns at once, whoever reads.
            tap.pass(&page(events), 0..events, |_| false);
            for _ in 0..events {
                match eager.next().await {
                    Passing::Event(_) => read += 1,
                    Passing::Missed(missed) => panic!("{missed}"),
                }
            }
        }
        assert_eq!(read, batches * events);
        let Passing::Missed(missed) = idle.next().await else { panic!("it must know") };
        assert_eq!(missed as usize, batches * events - EVENTS_MAX);
        for _ in 0..EVENTS_MAX {
            assert!(matches!(idle.next().await, Passing::Event(_)));
        }
        assert!(tokio::time::timeout(Duration::from_millis(20), idle.next()).await.is_err());
    }

    #[tokio::test]
    async fn an_open_tail_goes_on_with_the_routes_that_there_are_then() {
        let (first, second, other) = (Arc::<Tap>::default(), Arc::<Tap>::default(), Arc::<Tap>::default());
        let tails = tails(&first);
        let of_route = TailFilter { route: Some("system-log/siem".to_owned()), ..TailFilter::default() };
        let (mut all, mut one) =
            (tails.open(&TailFilter::default()).unwrap(), tails.open(&of_route).unwrap());
        let routes =
            [("system-log/siem".to_owned(), Arc::clone(&second)), ("new".to_owned(), Arc::clone(&other))];
        tails.exchange(routes.clone());
        tails.exchange(routes);
        second.pass(&page(1), 0..1, |_| false);
        other.pass(&page(2), 1..2, |_| false);
        assert_eq!((id(&mut all).await, id(&mut all).await), ("acme:u-0".into(), "acme:u-1".into()));
        assert_eq!(id(&mut one).await, "acme:u-0");
        second.pass(&page(1), 0..1, |_| false);
        assert_eq!((id(&mut all).await, id(&mut one).await), ("acme:u-0".into(), "acme:u-0".into()));
        drop((all, one));
        for tap in [second, other] {
            tap.pass(&page(1), 0..1, |_| panic!("nobody watches any more"));
        }
    }

    #[tokio::test]
    async fn large_events_are_bounded_in_bytes() {
        let tap = Arc::<Tap>::default();
        let mut tail = tails(&tap).open(&TailFilter::default()).unwrap();
        let large = Arc::new(batch(&format!(r#"[{{"uuid":"u","x":"{}"}}]"#, "y".repeat(BYTES_MAX))));
        for _ in 0..2 {
            tap.pass(&large, 0..1, |_| false);
            tokio::task::yield_now().await;
        }
        while tail.backlog.missed.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!((id(&mut tail).await, id(&mut tail).await), ("missed 1".into(), "acme:u".into()));
    }

    #[tokio::test]
    async fn there_are_only_so_many_and_a_wrong_name_is_told() {
        let tap = Arc::<Tap>::default();
        let tails = tails(&tap);
        let filter = TailFilter { route: Some("system-log/siem".to_owned()), ..TailFilter::default() };
        let mut open: Vec<_> = (0..TAILS_MAX).map(|_| tails.open(&filter).unwrap()).collect();
        assert_eq!(tails.open(&filter).unwrap_err(), TailError::TooMany);
        open.pop();
        let wrong = TailFilter { route: Some("siem".to_owned()), ..TailFilter::default() };
        let told = tails.open(&wrong).unwrap_err().to_string();
        assert!(told.contains("no route `siem`; there are: system-log/siem"), "{told}");
        assert!(tails.open(&filter).is_ok());
    }
}
