//! Series of what the configuration no longer has. The recorder keeps every series for as long as the process lives; a page without
//! those that have ended is what a scraper expects, since an alert on one of them would never end.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Labels of series that have ended, as the page has them: `route="log/siem"`.
static ENDED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The series with this label have ended. `value` is a name of the configuration.
pub(crate) fn end(label: &str, value: &str) {
    ended().insert(shown(label, value));
}

/// There are series with this label, be it again: they go on where they were.
pub(crate) fn resume(label: &str, value: &str) {
    ended().remove(&shown(label, value));
}

/// The page without the series that have ended.
pub(super) fn without_ended(page: String) -> String {
    let ended = ended();
    if ended.is_empty() {
        return page;
    }
    let has_ended = |line: &str| {
        let labels = line.split_once('{').map(|(_, labels)| labels).unwrap_or_default();
        !line.starts_with('#') && ended.iter().any(|label| labels.contains(label.as_str()))
    };
    page.split_inclusive('\n').filter(|line| !has_ended(line)).collect()
}

/// Names have letters, digits, `-`, `_` and `/`: nothing is escaped, and no label ends with the name of another.
fn shown(label: &str, value: &str) -> String {
    format!("{label}=\"{value}\"")
}

fn ended() -> MutexGuard<'static, BTreeSet<String>> {
    // Nothing panics while the lock is held.
    ENDED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_that_has_ended_is_not_on_the_page_until_it_is_resumed() {
        let page = "# HELP a_total of route=\"gone/a\"\na_total{route=\"gone/a\"} 1\na_total{class=\"x\",route=\"gone/a\"} 2\n\
                    a_total{route=\"gone/ab\"} 3\nb 4\n";
        assert_eq!(without_ended(page.to_owned()), page);
        end("route", "gone/a");
        let left = "# HELP a_total of route=\"gone/a\"\na_total{route=\"gone/ab\"} 3\nb 4\n";
        assert_eq!(without_ended(page.to_owned()), left);
        resume("route", "gone/a");
        assert_eq!(without_ended(page.to_owned()), page);
    }
}
