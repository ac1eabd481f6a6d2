//! Histograms with fixed bounds: counted with atomic additions, rendered for the page of metrics. Those of the exporter
//! keep each sample until somebody reads the page, so without a reader they grow.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// The highest number of bounds, for the array in which a batch is counted.
const BOUNDS_MAX: usize = 16;

/// All histograms of one name, by their labels.
#[derive(Debug)]
pub(crate) struct HistogramFamily {
    name: &'static str,
    help: &'static str,
    /// Upper bounds in seconds, ascending.
    bounds: &'static [f64],
    members: Mutex<BTreeMap<String, Arc<Histogram>>>,
}

/// How often durations were in which range.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [f64],
    /// By range; the last one has no upper bound.
    counts: [AtomicU64; BOUNDS_MAX + 1],
    sum_microseconds: AtomicU64,
}

impl HistogramFamily {
    pub(crate) const fn new(name: &'static str, help: &'static str, bounds: &'static [f64]) -> Self {
        assert!(bounds.len() <= BOUNDS_MAX, "there is no room for so many bounds");
        Self { name, help, bounds, members: Mutex::new(BTreeMap::new()) }
    }

    /// The histogram with these labels, which is on the page from now on. Resolve it once, and keep it.
    pub(crate) fn with(&self, labels: &[(&str, &str)]) -> Arc<Histogram> {
        let labels = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
        let labels = labels.collect::<Vec<_>>().join(",");
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let bounds = self.bounds;
        let new = || {
            let counts = std::array::from_fn(|_| AtomicU64::new(0));
            Arc::new(Histogram { bounds, counts, sum_microseconds: AtomicU64::new(0) })
        };
        Arc::clone(members.entry(labels).or_insert_with(new))
    }

    /// Writes the lines of all members to `page`.
    pub(super) fn render(&self, page: &mut String) {
        let Self { name, help, .. } = self;
        let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        if members.is_empty() {
            return;
        }
        // Writing to memory cannot fail, here and below.
        let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} histogram");
        for (labels, histogram) in &*members {
            let mut total = 0;
            for (index, count) in histogram.counts.iter().take(self.bounds.len() + 1).enumerate() {
                total += count.load(Relaxed);
                let _ = match self.bounds.get(index) {
                    Some(bound) => writeln!(page, "{name}_bucket{{{labels},le=\"{bound}\"}} {total}"),
                    None => writeln!(page, "{name}_bucket{{{labels},le=\"+Inf\"}} {total}"),
                };
            }
            let sum = Duration::from_micros(histogram.sum_microseconds.load(Relaxed)).as_secs_f64();
            let _ = writeln!(page, "{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {total}");
        }
        page.push('\n');
    }
}

impl Histogram {
    /// Counts one duration.
    pub(crate) fn record(&self, duration: Duration) {
        self.record_all([duration]);
    }

    /// Counts durations, with one addition for each range that occurs.
    pub(crate) fn record_all(&self, durations: impl IntoIterator<Item = Duration>) {
        let (mut counts, mut sum) = ([0_u64; BOUNDS_MAX + 1], 0_u64);
        for duration in durations {
            let seconds = duration.as_secs_f64();
            counts[self.bounds.partition_point(|bound| *bound < seconds)] += 1;
            sum = sum.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
        }
        for (total, count) in self.counts.iter().zip(counts).filter(|(_, count)| *count > 0) {
            total.fetch_add(count, Relaxed);
        }
        self.sum_microseconds.fetch_add(sum, Relaxed);
    }
}

/// The value of a label as the exposition format has it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(family: &HistogramFamily) -> String {
        let mut page = String::new();
        family.render(&mut page);
        page
    }

    #[test]
    fn a_histogram_is_there_at_zero_and_counts_each_duration_once_in_every_range_that_has_it() {
        let family = HistogramFamily::new("h_seconds", "Help.", &[0.5, 1.0, 60.0]);
        assert_eq!(page(&family), "", "a name without series is not on the page");
        let histogram = family.with(&[("route", "a\"b\\")]);
        assert!(page(&family).contains("h_seconds_count{route=\"a\\\"b\\\\\"} 0\n"), "{}", page(&family));
        histogram.record_all([100, 500, 501, 60_001].map(Duration::from_millis));
        family.with(&[("route", "a\"b\\")]).record(Duration::from_secs(1));
        let expected = r#"# HELP h_seconds Help.
# TYPE h_seconds histogram
h_seconds_bucket{route="a\"b\\",le="0.5"} 2
h_seconds_bucket{route="a\"b\\",le="1"} 4
h_seconds_bucket{route="a\"b\\",le="60"} 4
h_seconds_bucket{route="a\"b\\",le="+Inf"} 5
h_seconds_sum{route="a\"b\\"} 62.102
h_seconds_count{route="a\"b\\"} 5

"#;
        assert_eq!(page(&family), expected);
    }
}
