//! What must hold after a run, by the record of the world alone.

use std::{collections::BTreeMap, fmt::Write as _};

use jiff::{SignedDuration, Timestamp};

use super::{
    scenario::{Asked, GROUPS, Scenario, USERS, group_id, group_name, is_protected, user_id},
    seconds_after,
    world::{Other, Sent, World},
};
use crate::command::{Status, record::Record};

/// How long it may take until a change at Okta is known to those who judge what can be taken back, and what cannot.
const KNOWN_AFTER: SignedDuration = SignedDuration::from_secs(301);
/// A change that is under way when somebody stops it.
const UNDER_WAY: SignedDuration = SignedDuration::from_secs(2);

/// A message is acknowledged: the journal must have its outcome, or the command until its time comes.
pub(super) fn require_durable(world: &World, id: &str) {
    let things = world.things();
    let stored = &things.entries[&format!("sim/{id}")];
    let record = Record::decode(&stored.entry.content).unwrap();
    assert!(record.has_ended() || record.parked_until.is_some(), "{id} is acknowledged and {record:?}");
}

/// What is wrong.
pub(super) fn judge(world: &World, scenario: &Scenario) -> Vec<String> {
    let mut wrong = Vec::new();
    let first: BTreeMap<_, _> =
        scenario.asked.iter().rev().map(|asked| (asked.id.clone(), asked.clone())).collect();
    {
        let things = world.things();
        let facts = Facts { sent: &things.sent, others: &things.others };
        for (id, asked) in &first {
            wrong.extend(outcomes(id, &things.published));
            let acts = facts.of(asked);
            wrong.extend(in_time(world, asked, &acts, &facts));
            wrong.extend(once(asked, &acts));
            wrong.extend(told_truly(id, &acts, &things.published, asked, &facts));
        }
        wrong.extend(facts.of_protected());
        wrong.extend(facts.of_groups(&first));
        wrong.extend(facts.of_limits(scenario.suspends_max));
        wrong.extend(facts.of_pauses());
        wrong.extend(in_order(scenario, &facts));
    }
    if !wrong.is_empty() {
        wrong.push(told(world, scenario));
    }
    wrong
}

/// Each command has one outcome, however often it is told. One that a limit has refused may have another one later.
fn outcomes(id: &str, published: &[super::world::Published]) -> Option<String> {
    let mut of: Vec<_> = published.iter().filter(|published| published.outcome.command_id == id).collect();
    if of.is_empty() {
        return Some(format!("{id} has no outcome"));
    }
    let is_of_limit = |code: Option<&str>| code == Some("limit_tripped");
    let code = |published: &super::world::Published| {
        published.outcome.error.as_ref().map(|error| error.code.clone())
    };
    if of.iter().any(|published| !is_of_limit(code(published).as_deref())) {
        of.retain(|published| !is_of_limit(code(published).as_deref()));
    }
    let kinds: std::collections::BTreeSet<_> =
        of.iter().map(|published| (published.outcome.status.name(), code(published))).collect();
    (kinds.len() > 1).then(|| format!("{id} has several outcomes: {kinds:?}"))
}

/// What is not to be done any more, or not yet, is not begun.
fn in_time(world: &World, asked: &Asked, acts: &[&Sent], facts: &Facts<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(first) = acts.first() else { return wrong };
    let at = seconds_after(world, first.at);
    #[expect(clippy::cast_precision_loss, reason = "they are small")]
    if asked.expires_s.is_some_and(|expires| at > expires as f64 + UNDER_WAY.as_secs_f64()) {
        wrong.push(format!("{} is begun at {at:.3} s, after it expired", asked.id));
    }
    #[expect(clippy::cast_precision_loss, reason = "they are small")]
    if asked.not_before_s.is_some_and(|not_before| at < not_before as f64) {
        wrong.push(format!("{} is begun at {at:.3} s, before its time", asked.id));
    }
    let cancelled =
        facts.others.iter().find(|(_, other)| *other == Other::Cancelled { id: asked.id.clone() });
    if let Some((cancelled, _)) = cancelled
        && first.at > *cancelled + UNDER_WAY
    {
        wrong.push(format!("{} is begun at {at:.3} s, after it was cancelled", asked.id));
    }
    wrong
}

/// What was made is not made again: not by itself, and not after somebody has taken it back.
fn once(asked: &Asked, acts: &[&Sent]) -> Option<String> {
    if ["user.clear_sessions", "user.update"].contains(&asked.action) {
        return None;
    }
    let made = acts.iter().filter(|act| act.is_made).count();
    (made > 1).then(|| format!("{} is made {made} times", asked.id))
}

/// `done` is said of what was made, and `already` and refusals of what was not.
fn told_truly(
    id: &str,
    acts: &[&Sent],
    published: &[super::world::Published],
    asked: &Asked,
    facts: &Facts<'_>,
) -> Option<String> {
    let of = published.iter().rev().find(|published| published.outcome.command_id == id)?;
    let made = acts.iter().any(|act| act.is_made);
    let outcome = &of.outcome;
    if outcome.action.ends_with(".get") {
        return None;
    }
    // Who has made it cannot be told where both have asked for it.
    let path = facts.path_of(asked);
    let by_others = facts.others.iter().any(|(_, other)| match (other, &path) {
        (Other::Changed { method, path }, Some((same, wanted))) => {
            method == same && path.split('?').next() == Some(wanted)
        }
        _ => false,
    });
    match outcome.status {
        Status::Done if !made && by_others => None,
        Status::Done if !made => Some(format!("{id} is told as done, and nothing was made")),
        Status::Already | Status::Refused | Status::Expired if made => {
            Some(format!("{id} is told as {}, and it was made", outcome.status.name()))
        }
        _ => None,
    }
}

/// Commands about one user are begun in the order in which they came.
fn in_order(scenario: &Scenario, facts: &Facts<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    for user in 0..USERS {
        let mut last: Option<(Timestamp, &str)> = None;
        let mut seen = std::collections::BTreeSet::new();
        for asked in scenario.asked.iter().filter(|asked| asked.user == Some(user)) {
            if !seen.insert(&asked.id) || asked.not_before_s.is_some() || asked.action == super::LIMITED {
                continue;
            }
            let Some(act) = facts.of(asked).first().copied() else { continue };
            if let Some((before, id)) = last
                && act.at < before
            {
                wrong.push(format!("{} overtakes {id}", asked.id));
            }
            last = Some((act.at, &asked.id));
        }
    }
    wrong
}

/// What the world has seen.
struct Facts<'a> {
    sent: &'a [Sent],
    others: &'a [(Timestamp, Other)],
}

impl<'a> Facts<'a> {
    /// What was sent for a command: there is one for each action on each user or group.
    fn of(&self, asked: &Asked) -> Vec<&'a Sent> {
        let Some((method, path)) = self.path_of(asked) else { return Vec::new() };
        let is_it = |sent: &&Sent| sent.method == method && sent.path.split('?').next() == Some(&path);
        self.sent.iter().filter(is_it).collect()
    }

    /// The request that carries it out, if it changes something.
    #[expect(clippy::unused_self, reason = "it is one of the facts")]
    fn path_of(&self, asked: &Asked) -> Option<(&'static str, String)> {
        let user = asked.user.map(user_id).unwrap_or_default();
        let group = asked.group.map(group_id).unwrap_or_default();
        let request = match asked.action {
            "user.suspend" => ("POST", format!("/api/v1/users/{user}/lifecycle/suspend")),
            "user.unsuspend" => ("POST", format!("/api/v1/users/{user}/lifecycle/unsuspend")),
            "user.deactivate" => ("POST", format!("/api/v1/users/{user}/lifecycle/deactivate")),
            "user.activate" => ("POST", format!("/api/v1/users/{user}/lifecycle/activate")),
            "user.clear_sessions" => ("DELETE", format!("/api/v1/users/{user}/sessions")),
            "user.update" => ("POST", format!("/api/v1/users/{user}")),
            "group.add_user" => ("PUT", format!("/api/v1/groups/{group}/users/{user}")),
            "group.remove_user" => ("DELETE", format!("/api/v1/groups/{group}/users/{user}")),
            "group.delete" => ("DELETE", format!("/api/v1/groups/{group}")),
            _ => return None,
        };
        Some(request)
    }

    /// Nothing is changed about those who are protected.
    fn of_protected(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for user in 0..USERS {
            let id = user_id(user);
            let protected_at = self.others.iter().find_map(|(at, other)| match other {
                Other::Protected { user } if *user == id => Some(*at + KNOWN_AFTER),
                _ => None,
            });
            let since = if is_protected(user) { Some(Timestamp::MIN) } else { protected_at };
            let Some(since) = since else { continue };
            let touched = self.sent.iter().find(|sent| sent.path.contains(&id) && sent.at > since);
            wrong.extend(
                touched.map(|sent| format!("user {user} is protected: {} {}", sent.method, sent.path)),
            );
        }
        wrong
    }

    /// A group that is named by its name is the one that has it when it is looked for, and not a former bearer.
    fn of_groups(&self, asked: &BTreeMap<String, Asked>) -> Vec<String> {
        let mut wrong = Vec::new();
        for group in 0..GROUPS {
            let id = group_id(group);
            let renamed = self.others.iter().find_map(|(at, other)| match other {
                Other::Renamed { group, .. } if *group == id => Some(*at),
                _ => None,
            });
            let Some(renamed) = renamed else { continue };
            let name = group_name(group);
            let is_by_name = |asked: &&Asked| {
                asked.action == "group.delete" && asked.message["parameters"]["group"] == name.as_str()
            };
            for asked in asked.values().filter(|asked| asked.group == Some(group)).filter(is_by_name) {
                let first = self.of(asked).first().copied();
                // It may have been found before it was renamed, and what was found is what is meant.
                let late = renamed + SignedDuration::from_secs(60);
                let was_begun = first.is_some_and(|first| first.at < late);
                wrong.extend(
                    first.filter(|_| !was_begun).map(|_| {
                        format!("{} deletes group {group}, which has another name by then", asked.id)
                    }),
                );
            }
        }
        wrong
    }

    /// No more changes in an hour than the limit lets through, but after a release.
    fn of_limits(&self, suspends_max: u32) -> Option<String> {
        let released: Vec<_> =
            self.others.iter().filter(|(_, other)| *other == Other::Released).map(|(at, _)| *at).collect();
        let suspends = self.sent.iter().filter(|sent| sent.path.ends_with("/lifecycle/suspend"));
        let mut begun: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for sent in suspends {
            begun.entry(&sent.path).or_insert(sent.at);
        }
        let mut times: Vec<_> = begun.into_values().collect();
        times.sort_unstable();
        let max = usize::try_from(suspends_max).unwrap();
        times.windows(max + 1).find_map(|window| {
            let (first, last) = (window[0], window[max]);
            let is_released = released.iter().any(|at| *at > first && *at < last);
            (last.duration_since(first) < SignedDuration::from_hours(1) && !is_released)
                .then(|| format!("more than {suspends_max} suspends in an hour"))
        })
    }

    /// Nothing is sent while all are stopped.
    fn of_pauses(&self) -> Option<String> {
        let mut paused: Option<Timestamp> = None;
        for (at, other) in self.others {
            match (other, paused) {
                (Other::Paused, None) => paused = Some(*at),
                (Other::Resumed, Some(since)) => {
                    let during = |sent: &&Sent| sent.at > since + UNDER_WAY && sent.at < *at;
                    if let Some(sent) = self.sent.iter().find(during) {
                        return Some(format!("{} {} is sent while all are stopped", sent.method, sent.path));
                    }
                    paused = None;
                }
                _ => {}
            }
        }
        None
    }
}

/// What was asked and what happened, for people.
pub(super) fn told(world: &World, scenario: &Scenario) -> String {
    let mut lines: Vec<(f64, String)> = Vec::new();
    #[expect(clippy::cast_precision_loss, reason = "they are small")]
    for asked in &scenario.asked {
        let times = format!("not_before {:?} expires {:?}", asked.not_before_s, asked.expires_s);
        lines.push((asked.sent_s as f64, format!("asked {} {times}", asked.message)));
    }
    let things = world.things();
    for sent in &things.sent {
        let text = format!("sent {} {} made: {}", sent.method, sent.path, sent.is_made);
        lines.push((seconds_after(world, sent.at), text));
    }
    for (at, other) in &things.others {
        lines.push((seconds_after(world, *at), format!("other {other:?}")));
    }
    for published in &things.published {
        let outcome = &published.outcome;
        let code = outcome.error.as_ref().map(|error| error.code.as_str()).unwrap_or_default();
        let text = format!(
            "outcome {} {} {code} attempts {}",
            published.message_id,
            outcome.status.name(),
            outcome.attempts
        );
        lines.push((seconds_after(world, outcome.finished_at), text));
    }
    lines.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let mut told = format!("limit {} suspends an hour, lives {:?}\n", scenario.suspends_max, scenario.lives);
    for (at, line) in lines {
        let _ = writeln!(told, "  {at:9.3} {line}");
    }
    told
}
