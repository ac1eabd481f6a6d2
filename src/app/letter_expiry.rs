//! Removes dead letters that are older than the operator wants to keep them, now and then, and says so: what nobody has
//! delivered again by then is lost.

use std::{path::Path, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    dead_letters::{LetterOwner, expire_letters},
    telemetry::{chain, metrics},
};

/// The time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// Removes what is older than `age_max`, until `stop`.
pub(super) async fn expire_dead_letters(
    directory: &Path,
    age_max: Duration,
    clock: &dyn Clock,
    stop: &CancellationToken,
) {
    let expiring = async {
        loop {
            expire(directory, age_max, clock.now()).await;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    stop.run_until_cancelled(expiring).await;
}

async fn expire(directory: &Path, age_max: Duration, now: Timestamp) {
    let before = SignedDuration::try_from(age_max).ok().and_then(|age| now.checked_sub(age).ok());
    let Some(before) = before else { return };
    let expired = match expire_letters(directory, before).await {
        Ok(expired) => expired,
        Err(err) => {
            tracing::error!(error = chain(&err), "old dead letters stay: that is tried again");
            return;
        }
    };
    for (owner, removed) in expired {
        let (of, name) = match &owner {
            LetterOwner::Route(route) => ("route", route),
            LetterOwner::Commands(commands) => ("commands", commands),
        };
        match &owner {
            LetterOwner::Route(route) => metrics::dead_letters_expired(route, removed),
            LetterOwner::Commands(commands) => metrics::command_dead_letters_expired(commands, removed),
        }
        tracing::warn!(
            of, name, removed, %before,
            "dead letters were removed because nobody has delivered or dropped them within `state.dead_letters.age_max`: they \
             are lost"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Mutex};

    use super::*;

    #[derive(Debug)]
    struct HandClock(Mutex<Timestamp>);

    impl Clock for HandClock {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_letter_goes_once_it_is_too_old_and_not_before() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("log.siem.jsonl");
        let at: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        let letter =
            format!(r#"{{"at":"{at}","route":"log/siem","id":"u","reason":"too large","event":{{}}}}"#);
        fs::write(&file, format!("{letter}\n")).unwrap();
        let day = SignedDuration::from_hours(24);
        let clock = HandClock(Mutex::new(at + day * 90));
        let stop = CancellationToken::new();
        let expiring = expire_dead_letters(directory.path(), Duration::from_secs(90 * 86_400), &clock, &stop);
        let later = async {
            // The first look is over when the next one is waited for.
            tokio::time::sleep(LOOK_EVERY / 2).await;
            assert!(file.exists(), "it is 90 days old, and not older");
            *clock.0.lock().unwrap() += SignedDuration::from_secs(1);
            while file.exists() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            stop.cancel();
        };
        tokio::join!(expiring, later);
    }
}
