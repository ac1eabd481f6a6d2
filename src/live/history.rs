//! The figures of each route over the last hour. Asks nobody: figures are handed in, and the clock too.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// How often figures are to be handed in.
pub const FIGURES_EVERY: Duration = Duration::from_secs(5);
/// The rate is that of so long.
const RATE_OVER: Duration = Duration::from_secs(30);
/// How much time a point of the chart stands for.
const POINT: Duration = Duration::from_secs(60);
/// Points of the chart: an hour.
const POINTS: usize = 60;
/// What is kept of a route: an hour, and one sample more to compare the oldest one with.
const SAMPLES_MAX: usize = POINTS * POINT.as_secs() as usize / FIGURES_EVERY.as_secs() as usize + 1;

/// The figures of a route at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RouteFigures {
    /// Messages delivered since the route began.
    pub delivered: u64,
    /// How far it is behind.
    pub lag_seconds: f64,
}

/// The samples of all routes.
#[derive(Debug, Default)]
pub struct History {
    routes: Mutex<BTreeMap<String, VecDeque<Sample>>>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    /// None: nobody knew, as while a route starts. What was delivered meanwhile is in no rate.
    figures: Option<RouteFigures>,
}

/// A route's chart of the last hour, oldest point first. A point is none if nothing is known of its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastHour {
    /// How much time a point stands for.
    pub seconds_per_point: u64,
    /// Messages a second.
    pub rate: Vec<Option<f64>>,
    /// The largest lag in seconds.
    pub lag_seconds: Vec<Option<f64>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Point {
    delivered: u64,
    time: Duration,
    lag_seconds: Option<f64>,
}

impl History {
    /// Takes the figures of all routes as of `at`: none of a route whose figures are not known. What is not mentioned any more
    /// is forgotten.
    pub fn take(&self, at: Instant, figures: impl IntoIterator<Item = (String, Option<RouteFigures>)>) {
        let mut routes = self.routes();
        let mut kept = BTreeMap::new();
        for (route, figures) in figures {
            let mut samples = routes.remove(&route).unwrap_or_default();
            if samples.len() >= SAMPLES_MAX {
                samples.pop_front();
            }
            samples.push_back(Sample { at, figures });
            kept.insert(route, samples);
        }
        *routes = kept;
    }

    /// Messages a second that `route` delivered lately; none if that is not known.
    pub fn rate(&self, route: &str, now: Instant) -> Option<f64> {
        let routes = self.routes();
        let recent = differences(routes.get(route)?).filter(|(later, ..)| now - later.at <= RATE_OVER);
        let (delivered, time) = recent.fold((0, Duration::ZERO), |(delivered, time), (_, more, longer)| {
            (delivered + more, time + longer)
        });
        per_second(delivered, time)
    }

    /// The chart of `route`; all its points are none if nothing is known.
    pub fn last_hour(&self, route: &str, now: Instant) -> LastHour {
        let mut points = [Point::default(); POINTS];
        let routes = self.routes();
        let samples = routes.get(route);
        for (later, delivered, time) in samples.into_iter().flat_map(differences) {
            if let Some(point) = point_of(&mut points, later.at, now) {
                point.delivered += delivered;
                point.time += time;
            }
        }
        for sample in samples.into_iter().flatten() {
            let Some(figures) = sample.figures else { continue };
            if let Some(point) = point_of(&mut points, sample.at, now) {
                let most = point.lag_seconds.map_or(figures.lag_seconds, |lag| lag.max(figures.lag_seconds));
                point.lag_seconds = Some(most);
            }
        }
        LastHour {
            seconds_per_point: POINT.as_secs(),
            rate: points.iter().map(|point| per_second(point.delivered, point.time)).collect(),
            lag_seconds: points.iter().map(|point| point.lag_seconds.map(rounded)).collect(),
        }
    }

    fn routes(&self) -> MutexGuard<'_, BTreeMap<String, VecDeque<Sample>>> {
        // Nothing panics while the lock is held.
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each sample with how much was delivered since the one before, and in what time. Where one of the two is not known there
/// is nothing to compare.
fn differences(samples: &VecDeque<Sample>) -> impl Iterator<Item = (Sample, u64, Duration)> {
    samples.iter().zip(samples.iter().skip(1)).filter_map(|(earlier, later)| {
        let delivered = later.figures?.delivered.saturating_sub(earlier.figures?.delivered);
        Some((*later, delivered, later.at - earlier.at))
    })
}

/// The point in which `at` is: the last one ends now.
fn point_of(points: &mut [Point; POINTS], at: Instant, now: Instant) -> Option<&mut Point> {
    let ago = usize::try_from((now - at).as_secs() / POINT.as_secs()).ok()?;
    points.get_mut((POINTS - 1).checked_sub(ago)?)
}

#[expect(clippy::cast_precision_loss, reason = "people look at it")]
fn per_second(delivered: u64, time: Duration) -> Option<f64> {
    (!time.is_zero()).then(|| rounded(delivered as f64 / time.as_secs_f64()))
}

/// No more digits than anybody reads: the chart is sent to browsers.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn figures(delivered: u64, lag_seconds: f64) -> Option<RouteFigures> {
        Some(RouteFigures { delivered, lag_seconds })
    }

    fn take(history: &History, at: Instant, figures: Option<RouteFigures>) {
        history.take(at, [("a/b".to_owned(), figures)]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_that_of_the_last_half_minute() {
        let (history, start) = (History::default(), Instant::now());
        assert_eq!(history.rate("a/b", start), None);
        for step in 0..=60 {
            let delivered = if step < 30 { 0 } else { u64::from(step - 30) * 500 };
            take(&history, start + step * FIGURES_EVERY, figures(delivered, 0.0));
        }
        assert_eq!(history.rate("a/b", start + 60 * FIGURES_EVERY), Some(100.0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_chart_has_an_hour_and_no_more_is_kept() {
        let (history, start) = (History::default(), Instant::now());
        let mut now = start;
        for step in 0..2_000_u32 {
            now = start + step * FIGURES_EVERY;
            take(&history, now, figures(u64::from(step) * 10, f64::from(step % 12)));
        }
        let chart = history.last_hour("a/b", now);
        assert_eq!((chart.rate.len(), chart.lag_seconds.len()), (POINTS, POINTS));
        assert!(chart.rate.iter().all(|rate| *rate == Some(2.0)), "{chart:?}");
        assert!(chart.lag_seconds.iter().all(|lag| *lag == Some(11.0)), "{chart:?}");
        assert_eq!(history.routes()["a/b"].len(), SAMPLES_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_delivered_before_anybody_looked_is_no_rate() {
        let (history, start) = (History::default(), Instant::now());
        take(&history, start, None);
        take(&history, start + 5 * SECOND, figures(1_000_000, 7.5));
        assert_eq!(history.rate("a/b", start + 5 * SECOND), None);
        let chart = history.last_hour("a/b", start + 5 * SECOND);
        assert_eq!((chart.rate[POINTS - 1], chart.lag_seconds[POINTS - 1]), (None, Some(7.5)));
        take(&history, start + 10 * SECOND, figures(1_000_050, 0.0));
        assert_eq!(history.rate("a/b", start + 10 * SECOND), Some(10.0));
        // A route that begins anew counts from there.
        take(&history, start + 15 * SECOND, figures(0, 0.0));
        assert_eq!(history.rate("a/b", start + 15 * SECOND), Some(5.0));
        history.take(start + 20 * SECOND, []);
        assert_eq!(history.rate("a/b", start + 20 * SECOND), None);
    }
}
