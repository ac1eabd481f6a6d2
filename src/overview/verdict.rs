//! Whether all is well, in one sentence, and what to do about each thing that is not. Pure.

use std::collections::BTreeSet;

use serde::Serialize;

use super::status::{OrgOverview, RouteOverview};
use crate::{
    command::engine::{EnginePhase, EngineSnapshot},
    doorbell::DoorbellSnapshot,
    route::{Phase, Snapshot},
};

/// A route that is further behind than this without any trouble is worth a look.
const BEHIND_SECONDS: f64 = 300.0;
/// Requests that wait longer than this for Okta's rate limit are worth a look.
const WAITING_SECONDS: u64 = 20;

/// Whether all is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DaemonVerdict {
    /// The worst of the concerns.
    pub grade: Grade,
    /// All of it in a sentence.
    pub sentence: String,
    /// What is not well, the worst first.
    pub concerns: Vec<Concern>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Nothing has to be done.
    Well,
    /// Somebody should look at it, in time.
    Attention,
    /// Something does not work.
    Trouble,
}

/// Something that is not well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Concern {
    /// How bad it is.
    pub grade: Grade,
    /// What it is about: `route system-log/siem`.
    pub about: String,
    /// What is wrong with that: `cannot deliver to its sink`.
    pub what: String,
    /// The details, as they are in the log.
    pub detail: Option<String>,
    /// What to do.
    pub remedy: String,
}

/// What is judged.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) routes: &'a [RouteOverview],
    pub(super) orgs: &'a [OrgOverview],
    pub(super) commands: &'a [EngineSnapshot],
    pub(super) doorbells: &'a [DoorbellSnapshot],
    /// Why the daemon is not alive.
    pub(super) hanging: Vec<String>,
    /// What is wrong with the place of the state.
    pub(super) state: Option<String>,
    /// Why the configuration that was to be reloaded last is not in force.
    pub(super) refused_config: Option<String>,
}

impl DaemonVerdict {
    pub(super) fn of(facts: &Facts<'_>) -> Self {
        let mut concerns = Vec::new();
        if let Some(trouble) = &facts.state {
            concerns.push(Concern {
                detail: Some(trouble.clone()),
                ..concern(
                    Grade::Trouble,
                    "the state",
                    "is not where it was",
                    "Nothing is committed until it is back: look at the disk and its mount.",
                )
            });
        }
        concerns.extend(facts.hanging.iter().map(|reason| Concern {
            detail: Some(reason.clone()),
            ..concern(
                Grade::Trouble,
                "the daemon",
                "does not go on",
                "Restart it; nothing is lost. Please report it, with the log: this is a bug.",
            )
        }));
        concerns.extend(facts.routes.iter().flat_map(|route| of_route(&route.snapshot)));
        concerns.extend(facts.commands.iter().flat_map(of_commands));
        concerns.extend(facts.orgs.iter().flat_map(of_org));
        concerns.extend(facts.doorbells.iter().filter_map(of_doorbell));
        concerns.extend(facts.refused_config.iter().map(|reason| Concern {
            detail: Some(reason.clone()),
            ..concern(
                Grade::Attention,
                "the configuration",
                "that was to be reloaded is refused",
                "The daemon goes on with the one before. Correct the file: `oktabus reload` says whether it is taken.",
            )
        }));
        // Within a grade they stay in this order.
        concerns.sort_by_key(|concern| std::cmp::Reverse(concern.grade));
        let grade = concerns.first().map_or(Grade::Well, |concern| concern.grade);
        Self { grade, sentence: sentence(&concerns, facts), concerns }
    }
}

fn sentence(concerns: &[Concern], facts: &Facts<'_>) -> String {
    let Some(first) = concerns.first() else { return all_is_well(facts) };
    let mut about = first.about.clone();
    about.get_mut(..1).into_iter().for_each(str::make_ascii_uppercase);
    let rest = match concerns.len() - 1 {
        0 => String::new(),
        1 => " One more thing needs a look.".to_owned(),
        more => format!(" {more} more things need a look."),
    };
    format!("{about} {}.{rest}", first.what)
}

fn all_is_well(facts: &Facts<'_>) -> String {
    let snapshots = || facts.routes.iter().map(|route| &route.snapshot);
    let owned = || snapshots().filter(|route| route.phase != Phase::Standby);
    let others: Vec<_> = snapshots().filter(|route| route.phase == Phase::Standby).collect();
    // A lag that goes up and down below a second is no news.
    let behind = owned().map(|route| route.lag_seconds.ceil()).fold(1.0, f64::max);
    let running = facts.commands.len();
    match owned().count() {
        0 if !others.is_empty() => format!("All is well: this daemon stands by for {}.", stands_by(&others)),
        0 if running == 0 => "All is well, and there is nothing to do.".to_owned(),
        0 => "All is well: commands are carried out.".to_owned(),
        1 if others.is_empty() => {
            format!("All is well: one route delivers and is {} behind.", span(behind))
        }
        routes if others.is_empty() => {
            format!("All is well: {routes} routes deliver, none more than {} behind.", span(behind))
        }
        routes => format!(
            "All is well: {routes} of {} routes deliver here, none more than {} behind; this daemon stands by for {}.",
            routes + others.len(),
            span(behind),
            stands_by(&others)
        ),
    }
}

/// Routes that this daemon waits for, and who has them.
fn stands_by(routes: &[&Snapshot]) -> String {
    let owners: BTreeSet<_> = routes.iter().filter_map(|route| route.owner.as_deref()).collect();
    let whose = match owners.len() {
        0 => String::new(),
        1 => format!(", which {} has", owners.into_iter().collect::<String>()),
        _ => format!(", which {} have", owners.into_iter().collect::<Vec<_>>().join(" and ")),
    };
    format!("{}{whose}", counted(u64::try_from(routes.len()).unwrap_or(u64::MAX), "route"))
}

fn of_route(route: &Snapshot) -> Vec<Concern> {
    let about = format!("route {}", route.route);
    let mut concerns = Vec::new();
    let mut find = |grade, what: &str, detail: Option<&String>, remedy: &str| {
        concerns.push(Concern { detail: detail.cloned(), ..concern(grade, &about, what, remedy) });
    };
    if let Some(trouble) = &route.state_trouble {
        let remedy = "It goes on by itself once the state can be written: look at the disk.";
        find(Grade::Trouble, "cannot save how far it is", Some(trouble), remedy);
    }
    // A superseded route has its own concern below.
    if let Some(trouble) = route.sink_trouble.as_ref().filter(|_| route.phase != Phase::Superseded) {
        let remedy = "Nothing is lost: it catches up by itself once the sink takes messages. `oktabus check` tries the sink.";
        find(Grade::Trouble, "cannot deliver to its sink", Some(trouble), remedy);
    }
    if let Some(trouble) = &route.okta_trouble {
        let remedy = "It goes on by itself once Okta gives events, which Okta keeps for 90 days. Where Okta refuses the request, the \
                      detail says what to change; `oktabus check` tries the org.";
        find(Grade::Trouble, "gets no events from Okta", Some(trouble), remedy);
    }
    let is_in_trouble = route.trouble().is_some();
    match route.phase {
        Phase::Superseded => {
            let remedy = "Stop one of the two daemons, or give both `[standby]`.";
            find(Grade::Trouble, "was taken over by another daemon", None, remedy);
        }
        Phase::Starting if !is_in_trouble => {
            find(Grade::Attention, "is starting", None, "Wait: it tells here what it waits for.");
        }
        Phase::Reading if !is_in_trouble && route.lag_seconds > BEHIND_SECONDS => {
            let what = format!("is {} behind and catches up", span(route.lag_seconds));
            find(
                Grade::Attention,
                &what,
                None,
                "Wait; if the lag grows, look at the budget and at the sink.",
            );
        }
        Phase::Paused => {}
        Phase::Starting | Phase::Reading | Phase::AtTail | Phase::Standby | Phase::Ended => {}
    }
    if let Some(pause) = &route.paused {
        let why = pause.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let detail = format!("by {} at {:.0}{why}", pause.by, pause.at);
        let remedy =
            "Resume it with `oktabus resume` when the reason is gone; Okta keeps events for 90 days.";
        find(Grade::Attention, "is paused", Some(&detail), remedy);
    }
    if route.possible_gaps > 0 {
        let remedy = "Compare with Okta from the time in the log, or deliver it again with `oktabus replay`.";
        find(Grade::Attention, "may have a gap", None, remedy);
    }
    if route.dead_letters > 0 {
        let what = format!("has {} since the start", counted(route.dead_letters, "dead letter"));
        let newest = route.recent_dead_letters.first().map(|letter| letter.reason.clone());
        let remedy = "`oktabus dead-letters list` shows those that are kept: mend what makes them, and deliver them again or drop them.";
        find(Grade::Attention, &what, newest.as_ref(), remedy);
    }
    concerns
}

fn of_commands(commands: &EngineSnapshot) -> Vec<Concern> {
    let about = format!("commands {}", commands.commands);
    let mut concerns = Vec::new();
    let mut find = |grade, what: &str, detail: Option<&String>, remedy: &str| {
        concerns.push(Concern { detail: detail.cloned(), ..concern(grade, &about, what, remedy) });
    };
    for trouble in commands.troubles.values() {
        let remedy = "They go on by themselves once this is over. `oktabus check` tries org and bus.";
        find(Grade::Trouble, "cannot be carried out", Some(trouble), remedy);
    }
    for limit in &commands.tripped {
        let what = format!("are refused: the limit {limit} has tripped");
        let remedy =
            "Look at what was asked for and by whom, and release the limit if that is as it should be.";
        find(Grade::Trouble, &what, None, remedy);
    }
    if let Some(pause) = &commands.paused {
        let detail = pause.to_string().trim().to_owned();
        find(Grade::Attention, "are paused", Some(&detail), "Resume them when the reason is gone.");
    }
    if commands.phase == EnginePhase::Starting && commands.troubles.is_empty() {
        find(Grade::Attention, "are starting", None, "Wait: they tell here what they wait for.");
    }
    if commands.awaits_approval > 0 {
        let number = u64::try_from(commands.awaits_approval).unwrap_or(u64::MAX);
        let what = format!("have {} that waits for a second key", counted(number, "command"));
        find(Grade::Attention, &what, None, "Approve it or let it expire.");
    }
    if !commands.lost_names.is_empty() {
        let names = commands.lost_names.join(", ");
        let remedy = "Correct `protect`: whom the names found once stays protected, and nobody else.";
        find(Grade::Attention, "protect names that are not found any more", Some(&names), remedy);
    }
    if commands.dead_letters > 0 {
        let what = format!("have {} since the start", counted(commands.dead_letters, "dead letter"));
        find(Grade::Attention, &what, None, "Read the reasons, and mend whoever sends them.");
    }
    concerns
}

fn of_org(org: &OrgOverview) -> Vec<Concern> {
    let about = format!("org {}", org.org);
    let secret = org.secret_trouble.iter().map(|trouble| Concern {
        detail: Some(trouble.clone()),
        ..concern(
            Grade::Attention,
            &about,
            "goes on with the secret before the new one",
            "Put a secret that is right in its place, and run `oktabus reload`: the one before ends with the next start.",
        )
    });
    let waiting = org.buckets.iter().filter_map(|bucket| {
        let seconds = bucket.waiting_seconds.filter(|seconds| *seconds >= WAITING_SECONDS)?;
        let what = format!("holds requests of {} back for {seconds} s", bucket.bucket);
        let remedy = "It goes on by itself with Okta's next window; if that is often so, raise `budget.share` or have others ask less.";
        Some(concern(Grade::Attention, &about, &what, remedy))
    });
    secret.chain(waiting).collect()
}

fn of_doorbell(doorbell: &DoorbellSnapshot) -> Option<Concern> {
    let trouble = doorbell.trouble.clone()?;
    let remedy = "Nothing is lost: the org is polled at its normal interval until rings arrive again.";
    let about = format!("doorbell {}", doorbell.org);
    Some(Concern { detail: Some(trouble), ..concern(Grade::Attention, &about, "cannot be rung", remedy) })
}

fn concern(grade: Grade, about: &str, what: &str, remedy: &str) -> Concern {
    let (about, what, remedy) = (about.to_owned(), what.to_owned(), remedy.to_owned());
    Concern { grade, about, what, detail: None, remedy }
}

fn counted(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// A time in the largest unit that fits, for people.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is not negative and not large"
)]
fn span(seconds: f64) -> String {
    match seconds.max(0.0) as u64 {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{RoutePause, RouteStatus};

    fn route(change: impl FnOnce(&mut Snapshot)) -> RouteOverview {
        let mut snapshot = RouteStatus::new("system-log/siem").snapshot();
        snapshot.phase = Phase::AtTail;
        change(&mut snapshot);
        RouteOverview { snapshot, rate: None, setup: None }
    }

    fn verdict(routes: &[RouteOverview]) -> DaemonVerdict {
        DaemonVerdict::of(&Facts {
            routes,
            orgs: &[],
            commands: &[],
            doorbells: &[],
            hanging: Vec::new(),
            state: None,
            refused_config: None,
        })
    }

    #[test]
    fn all_is_well_in_one_sentence() {
        let well = verdict(&[route(|route| route.lag_seconds = 3.4)]);
        assert_eq!((well.grade, well.concerns.len()), (Grade::Well, 0));
        assert_eq!(well.sentence, "All is well: one route delivers and is 4 s behind.");
    }

    #[test]
    fn a_daemon_that_stands_by_says_so_and_who_has_its_routes() {
        let standby = |owner: Option<&str>| {
            route(|route| {
                (route.phase, route.owner) = (Phase::Standby, owner.map(str::to_owned));
            })
        };
        let one = Some("process 7 on one");
        for (routes, sentence) in [
            (
                vec![standby(one), standby(one)],
                "All is well: this daemon stands by for 2 routes, which process 7 on one has.",
            ),
            (vec![standby(None)], "All is well: this daemon stands by for 1 route."),
            (
                vec![route(|route| route.lag_seconds = 2.0), standby(one), standby(Some("process 8 on two"))],
                "All is well: 1 of 3 routes deliver here, none more than 2 s behind; this daemon stands by for 2 routes, which \
                 process 7 on one and process 8 on two have.",
            ),
        ] {
            let found = verdict(&routes);
            assert_eq!((found.grade, found.sentence.as_str()), (Grade::Well, sentence));
        }
    }

    #[test]
    fn a_new_secret_that_is_refused_is_worth_a_look() {
        let org = OrgOverview {
            org: "acme".to_owned(),
            url: "https://acme.okta.com".to_owned(),
            authentication: "API token".to_owned(),
            budget_share: 0.5,
            secret_trouble: Some("the new secret is refused".to_owned()),
            buckets: Vec::new(),
        };
        let found = DaemonVerdict::of(&Facts {
            routes: &[],
            orgs: &[org],
            commands: &[],
            doorbells: &[],
            hanging: Vec::new(),
            state: None,
            refused_config: None,
        });
        assert_eq!(found.sentence, "Org acme goes on with the secret before the new one.");
        assert_eq!(found.concerns[0].detail.as_deref(), Some("the new secret is refused"));
    }

    #[test]
    fn the_worst_comes_first_and_each_finding_says_what_to_do() {
        let routes = [
            route(|route| route.dead_letters = 2),
            route(|route| {
                route.route = "system-log/archive".to_owned();
                route.sink_trouble = Some("no such topic".to_owned());
            }),
        ];
        let found = verdict(&routes);
        assert_eq!(found.grade, Grade::Trouble);
        assert_eq!(
            found.sentence,
            "Route system-log/archive cannot deliver to its sink. One more thing needs a look."
        );
        assert_eq!(found.concerns[0].detail.as_deref(), Some("no such topic"));
        assert_eq!(found.concerns[1].what, "has 2 dead letters since the start");
        assert!(found.concerns.iter().all(|concern| concern.remedy.ends_with('.')));
    }

    #[test]
    fn a_route_that_is_paused_or_far_behind_is_worth_a_look() {
        let pause = RoutePause {
            at: jiff::Timestamp::UNIX_EPOCH,
            by: "ada".to_owned(),
            reason: Some("a move".into()),
        };
        let found = verdict(&[route(|route| (route.phase, route.paused) = (Phase::Paused, Some(pause)))]);
        assert_eq!((found.grade, found.concerns.len()), (Grade::Attention, 1));
        assert_eq!(found.concerns[0].detail.as_deref(), Some("by ada at 1970-01-01T00:00:00Z: a move"));
        let behind = verdict(&[route(|route| (route.phase, route.lag_seconds) = (Phase::Reading, 7_300.0))]);
        assert_eq!(behind.concerns[0].what, "is 2 h behind and catches up");
        let troubled = verdict(&[route(|route| {
            (route.phase, route.lag_seconds) = (Phase::Reading, 7_300.0);
            route.okta_trouble = Some("401".to_owned());
        })]);
        assert_eq!(troubled.concerns.len(), 1, "the trouble says it");
    }
}
