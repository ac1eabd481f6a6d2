//! Warnings about streams, each logged when it is news: connections come and go, and each looks at its stream anew. Decides nothing.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::bus::Finding;

/// What was found last, by the name of the sink and by what it concerns.
static FOUND: Mutex<BTreeMap<(String, &'static str), Vec<String>>> = Mutex::new(BTreeMap::new());

/// Logs what was found about the stream of `sink`, unless it was found the last time too; `concern` says what it means.
pub(crate) fn log_news(sink: &str, concern: &'static str, found: &[Finding]) {
    let news = {
        let mut all = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        news(all.entry((sink.to_owned(), concern)).or_default(), found)
    };
    for warning in news {
        tracing::warn!(sink, warning, "{concern}");
    }
}

/// What is `found` and was not `before`, which becomes what is found.
fn news(before: &mut Vec<String>, found: &[Finding]) -> Vec<String> {
    let now: Vec<_> = found.iter().map(|finding| finding.text.clone()).collect();
    let news = now.iter().filter(|text| !before.contains(text)).cloned().collect();
    *before = now;
    news
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_told_once_as_long_as_it_holds() {
        let finding = |text: &str| Finding { is_warning: true, text: text.to_owned() };
        let (memory, window) = (finding("is kept in memory"), finding("has a short window"));
        let mut before = Vec::new();
        let mut told = |found: &[Finding]| news(&mut before, found);
        assert_eq!(told(std::slice::from_ref(&memory)), ["is kept in memory"]);
        assert!(told(std::slice::from_ref(&memory)).is_empty(), "the sink has connected again");
        assert_eq!(told(&[memory.clone(), window]), ["has a short window"]);
        assert!(told(&[]).is_empty());
        assert_eq!(told(&[memory]), ["is kept in memory"], "it had been put right");
    }
}
