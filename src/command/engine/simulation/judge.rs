//! The conditions that must hold after a run, checked only against the record of the world.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use super::{
    scenario::{
        GROUPS, Scenario, SentCommand, USERS, group_id, group_name, heir_id, is_protected, successor_id,
        user_id,
    },
    sender::Sender,
    transcript::transcript,
    world::{ExternalEvent, Published, Sent, World},
};
use crate::{
    command::{QueuePlace, Status, record::Record},
    simulation::happens,
};

/// The maximum time until a change at Okta is known to the policy, for reversible changes.
const KNOWN_AFTER: SignedDuration = SignedDuration::from_secs(301);
/// The same for destructive changes.
const KNOWN_TO_DESTROY_AFTER: SignedDuration = SignedDuration::from_secs(63);
/// A change that is in flight when somebody stops it.
const UNDER_WAY: SignedDuration = SignedDuration::from_secs(2);
/// What was read shortly before a change may have changed.
const IN_THAT_MOMENT: SignedDuration = SignedDuration::from_secs(4);

/// The message at `place` is acknowledged: the journal must have its outcome, or the command until it is due. It may have begun the
/// command anew for another message.
pub(super) fn require_durable(world: &World, id: &str, place: &QueuePlace) {
    let stored = world.records.entry(&format!("sim/{id}")).unwrap();
    let record = Record::decode(&stored.entry.content).unwrap();
    let is_durable = record.has_ended() || record.parked_until.is_some() || record.answered.has(place);
    assert!(is_durable, "{id} is acknowledged and {record:?}");
}

/// A message is in the dead letters: its sender must not be trusted.
pub(super) fn require_untrusted(world: &World, command: &SentCommand, is_signed: bool) {
    let has_no_key = command.sender == Sender::Portal && !world.has_both_keys();
    assert!(is_signed && (command.is_foreign || has_no_key), "{command:?} is in the dead letters");
}

/// The violations.
pub(super) fn judge(world: &World, scenario: &Scenario) -> Vec<String> {
    let mut wrong = Vec::new();
    let ours = scenario.commands.iter().rev().filter(|command| !command.is_foreign);
    let first: BTreeMap<_, _> = ours.map(|command| (command.id.clone(), command.clone())).collect();
    {
        let beginning = world.beginning();
        let record = world.record();
        let all = Facts {
            sent: &record.sent,
            others: &record.others,
            published: &record.published,
            is_signed: scenario.is_signed,
        };
        for command in first.values() {
            wrong.extend(has_outcome(command, &all));
            let acts = all.of(command);
            wrong.extend(in_time(world, command, &acts, &all));
            wrong.extend(as_expected(command, &acts, &all));
            wrong.extend(as_named(world, command, &all));
            wrong.extend(by_whom_we_trust(command, &acts, &all));
            // A restored state knows nothing of what came after the backup.
            for part in all.parts() {
                let acts = part.of(command);
                wrong.extend(outcomes(&command.id, part.published));
                wrong.extend(once(command, &acts));
                wrong.extend(told_truly(command, &acts, &part, &all));
            }
        }
        for foreign in scenario.commands.iter().filter(|command| command.is_foreign) {
            let acts = all.of(foreign);
            wrong.extend(acts.first().map(|act| format!("a stranger has {} {} sent", act.method, act.path)));
        }
        wrong.extend(all.of_protected());
        wrong.extend(all.of_groups(&first));
        wrong.extend(first.values().filter_map(|command| all.of_former_bearer(command)));
        wrong.extend(all.of_limits(scenario, beginning));
        wrong.extend(all.of_limit_refusals(&first, scenario.suspends_max));
        wrong.extend(all.of_pauses());
        wrong.extend(all.parts().iter().flat_map(|part| in_order(scenario, part, &all)));
    }
    if !wrong.is_empty() {
        wrong.push(transcript(world, scenario));
    }
    wrong
}

/// Each command has an outcome, unless nothing of it is left: it was parked in a state that was replaced by a backup,
/// or the key of its signature was removed.
fn has_outcome(command: &SentCommand, facts: &Facts<'_>) -> Option<String> {
    let id = &command.id;
    if facts.published.iter().any(|published| published.outcome.command_id == *id) {
        return None;
    }
    let is_lost = command.not_before_s.is_some_and(|due| due > command.sent_s + 600)
        && facts.first(&ExternalEvent::Restored).is_some();
    let has_no_key = facts.is_signed
        && command.sender == Sender::Portal
        && facts.first(&ExternalEvent::KeyRemoved).is_some();
    // Only the state knows what was started before.
    let is_left = has_no_key
        && (!facts.of(command).iter().any(|act| act.is_made)
            || facts.first(&ExternalEvent::Restored).is_some());
    (!is_lost && !is_left).then(|| format!("{id} has no outcome"))
}

/// Nothing is sent for a sender who is no longer trusted.
fn by_whom_we_trust(command: &SentCommand, acts: &[&Sent], facts: &Facts<'_>) -> Option<String> {
    let removed = facts.first(&ExternalEvent::KeyRemoved)?;
    let is_theirs = facts.is_signed && command.sender == Sender::Portal;
    let late = acts.iter().find(|act| is_theirs && act.at > removed)?;
    Some(format!("{} {} is sent for {} after its key was taken away", late.method, late.path, command.id))
}

/// The expectations of a command hold at its change, except for changes by others at that very moment.
fn as_expected(command: &SentCommand, acts: &[&Sent], facts: &Facts<'_>) -> Option<String> {
    let (expected, user) = (command.expected?, user_id(command.user?));
    let is_touched = |act: &Sent| {
        let is_then = |at: Timestamp| at.duration_since(act.at).abs() < IN_THAT_MOMENT;
        let by_other = facts.others.iter().any(|(at, other)| match other {
            ExternalEvent::Changed { path, .. } => path.contains(&user) && is_then(*at),
            _ => false,
        });
        // It was made before, without an answer.
        by_other || facts.of(command).iter().any(|other| other.is_made && other.at < act.at)
    };
    let wrong = acts.iter().find(|act| act.status_then.as_deref() != Some(expected) && !is_touched(act))?;
    Some(format!("{} acts on one who is {:?}", command.id, wrong.status_then))
}

/// No two objects have the same name at any time; a name means the object that has it when the command comes, not a
/// former bearer.
fn as_named(world: &World, command: &SentCommand, facts: &Facts<'_>) -> Option<String> {
    let id = command.id.as_str();
    let told = facts.published.iter().rev().find(|published| published.outcome.command_id == id)?;
    let code = told.outcome.error.as_ref().map_or("", |error| error.code.as_str());
    if code == "ambiguous_name" {
        return Some(format!("{id} is told as {code}, and nobody else is called so"));
    }
    let group = command.named_group()?;
    #[expect(clippy::cast_precision_loss, reason = "they are small")]
    let is_renamed_before = world.seconds(facts.renamed(group)?) < command.sent_s as f64;
    if !is_renamed_before {
        return None;
    }
    if command.action == "group.delete" && code == "changed_meanwhile" {
        return Some(format!("{id} means a group that had another name when it came"));
    }
    let result = serde_json::to_value(&told.outcome.result).unwrap();
    let name = result.pointer("/group/profile/name")?.as_str()?;
    (name != group_name(group)).then(|| format!("{id} is told of a group of another name: {name}"))
}

/// Each command has one outcome, however often it is published. A command that a limit has refused may have another one
/// later.
fn outcomes(id: &str, published: &[Published]) -> Option<String> {
    let mut of: Vec<_> = published.iter().filter(|published| published.outcome.command_id == id).collect();
    let is_of_limit = |code: Option<&str>| code == Some("limit_tripped");
    let code = |published: &Published| published.outcome.error.as_ref().map(|error| error.code.clone());
    if of.iter().any(|published| !is_of_limit(code(published).as_deref())) {
        of.retain(|published| !is_of_limit(code(published).as_deref()));
    }
    let kinds: BTreeSet<_> =
        of.iter().map(|published| (published.outcome.status.name(), code(published))).collect();
    (kinds.len() > 1).then(|| format!("{id} has several outcomes: {kinds:?}"))
}

/// No command is started too early or too late.
fn in_time(world: &World, command: &SentCommand, acts: &[&Sent], facts: &Facts<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(first) = acts.first() else { return wrong };
    let at = world.seconds(first.at);
    #[expect(clippy::cast_precision_loss, reason = "they are small")]
    if command.expires_s.is_some_and(|expires| at > expires as f64 + UNDER_WAY.as_secs_f64()) {
        wrong.push(format!("{} is begun at {at:.3} s, after it expired", command.id));
    }
    #[expect(clippy::cast_precision_loss, reason = "they are small")]
    if command.not_before_s.is_some_and(|not_before| at < not_before as f64) {
        wrong.push(format!("{} is begun at {at:.3} s, before its time", command.id));
    }
    let restored = facts.first(&ExternalEvent::Restored);
    let cancelled = facts.first(&ExternalEvent::Cancelled { id: command.id.clone() });
    // A restored state may not know it.
    let cancelled = cancelled.filter(|cancelled| restored.is_none_or(|restored| restored < *cancelled));
    if let Some(cancelled) = cancelled
        && acts.iter().any(|act| act.at > cancelled + UNDER_WAY)
    {
        wrong.push(format!("{} is sent after it was cancelled (first at {at:.3} s)", command.id));
    }
    wrong
}

/// A change is not made twice, and not again after somebody has reverted it.
fn once(command: &SentCommand, acts: &[&Sent]) -> Option<String> {
    if ["user.clear_sessions", "user.update"].contains(&command.action) {
        return None;
    }
    let made = acts.iter().filter(|act| act.is_made).count();
    (made > 1).then(|| format!("{} is made {made} times", command.id))
}

/// `done` is reported for what was made, and `already` and refusals for what was not.
fn told_truly(command: &SentCommand, acts: &[&Sent], facts: &Facts<'_>, all: &Facts<'_>) -> Option<String> {
    let id = command.id.as_str();
    let of = facts.published.iter().rev().find(|published| published.outcome.command_id == id)?;
    let made = acts.iter().any(|act| act.is_made);
    let made_ever = all.of(command).iter().any(|act| act.is_made);
    let outcome = &of.outcome;
    if outcome.action.ends_with(".get") {
        return None;
    }
    // If two commands asked for the same, it is unknown who made it.
    let requests = all.requests_of(command);
    let by_others = all.others.iter().any(|(_, other)| match other {
        ExternalEvent::Changed { method, path } => {
            requests.iter().any(|(same, wanted)| method == same && path.split('?').next() == Some(wanted))
        }
        _ => false,
    });
    let code = outcome.error.as_ref().map_or("", |error| error.code.as_str());
    match outcome.status {
        // The command that did it knows its subjects, whatever the names mean by now.
        Status::Failed if made && code.ends_with("_not_found") && !all.is_group_gone(command) => {
            Some(format!("{id} is told as {code}, and it was made"))
        }
        Status::Done if !made_ever && by_others => None,
        // It may have been sent before a crash, and nobody is in a group that is gone.
        Status::Done if !made_ever && outcome.attempts > 1 && all.is_group_gone(command) => None,
        Status::Done if !made_ever => Some(format!("{id} is told as done, and nothing was made")),
        Status::Already | Status::Refused | Status::Expired if made => {
            Some(format!("{id} is told as {}, and it was made", outcome.status.name()))
        }
        _ => None,
    }
}

/// Commands about one user are started in the order in which they came.
fn in_order(scenario: &Scenario, facts: &Facts<'_>, all: &Facts<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    // A command that ended before a restore may run again for a copy, whenever that was sent.
    let restored = all.first(&ExternalEvent::Restored);
    let is_after = restored.is_some_and(|restored| facts.sent.first().is_some_and(|sent| sent.at > restored));
    let was_told = |id: &str| {
        let of = |published: &&Published| published.outcome.command_id == id;
        is_after && all.published.iter().find(of).is_some_and(|first| Some(first.at) < restored)
    };
    // Commands by a login that was given away are about two users.
    for user in (0..USERS).filter(|user| all.given(*user).is_none()) {
        let mut last: Option<(Timestamp, &str)> = None;
        let mut seen = BTreeSet::new();
        for command in
            scenario.commands.iter().filter(|command| command.user == Some(user) && !command.is_foreign)
        {
            if !seen.insert(&command.id) || command.not_before_s.is_some() || command.action == super::LIMITED
            {
                continue;
            }
            if was_told(&command.id) {
                continue;
            }
            let Some(act) = facts.of(command).first().copied() else { continue };
            if let Some((before, id)) = last
                && act.at < before
            {
                wrong.push(format!("{} overtakes {id}", command.id));
            }
            last = Some((act.at, &command.id));
        }
    }
    wrong
}

/// The record of the world.
#[derive(Clone, Copy)]
struct Facts<'a> {
    sent: &'a [Sent],
    others: &'a [(Timestamp, ExternalEvent)],
    published: &'a [Published],
    is_signed: bool,
}

impl<'a> Facts<'a> {
    /// When this happened first.
    fn first(&self, what: &ExternalEvent) -> Option<Timestamp> {
        self.others.iter().find(|(_, other)| other == what).map(|(at, _)| *at)
    }

    /// The parts before and after a restore of the state.
    fn parts(&self) -> Vec<Self> {
        let Some(restored) = self.first(&ExternalEvent::Restored) else { return vec![*self] };
        let (before, after) = self.sent.split_at(self.sent.partition_point(|sent| sent.at < restored));
        let published = self.published.partition_point(|published| published.at < restored);
        let (told_before, told_after) = self.published.split_at(published);
        let part = |sent, published| Self { sent, published, ..*self };
        vec![part(before, told_before), part(after, told_after)]
    }

    /// The changes that were sent for a command: one for each action on each user or group.
    fn of(&self, command: &SentCommand) -> Vec<&'a Sent> {
        let requests = self.requests_of(command);
        let is_it = |sent: &&Sent| {
            let path = sent.path.split('?').next().unwrap();
            requests.iter().any(|(method, wanted)| sent.method == *method && path == wanted)
        };
        self.sent.iter().filter(is_it).collect()
    }

    /// When a group was renamed.
    fn renamed(&self, group: usize) -> Option<Timestamp> {
        let id = group_id(group);
        self.others.iter().find_map(|(at, other)| match other {
            ExternalEvent::Renamed { group, .. } if *group == id => Some(*at),
            _ => None,
        })
    }

    /// Whether the group of a command was deleted by another one.
    fn is_group_gone(&self, command: &SentCommand) -> bool {
        let Some(group) = command.group.filter(|_| command.action != "group.delete") else { return false };
        let is_of = |path: &str| [group_id(group), successor_id(group)].iter().any(|id| path.ends_with(id));
        self.sent.iter().any(|sent| {
            sent.is_made
                && sent.method == "DELETE"
                && sent.path.starts_with("/api/v1/groups/")
                && is_of(&sent.path)
        })
    }

    /// The requests that may execute the command: a name may mean the object that has it since.
    #[expect(clippy::unused_self, reason = "it is one of the facts")]
    fn requests_of(&self, command: &SentCommand) -> Vec<(&'static str, String)> {
        let successor = command.named_group().map(successor_id);
        let groups = [command.group.map(group_id).unwrap_or_default()].into_iter().chain(successor);
        let heir = command.named_user().map(heir_id);
        let users: Vec<_> = [command.user.map(user_id).unwrap_or_default()].into_iter().chain(heir).collect();
        let of_group = |group: String| {
            let of_user = |user: &String| Self::request_on(command, user, &group);
            users.iter().filter_map(of_user).collect::<Vec<_>>()
        };
        groups.flat_map(of_group).collect()
    }

    fn request_on(command: &SentCommand, user: &str, group: &str) -> Option<(&'static str, String)> {
        let request = match command.action {
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

    /// Nothing protected is changed.
    fn of_protected(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for user in 0..USERS {
            let id = user_id(user);
            let protected_at = self.others.iter().find_map(|(at, other)| match other {
                ExternalEvent::Protected { user } if *user == id => Some(*at),
                _ => None,
            });
            let since = if is_protected(user) { Some(Timestamp::MIN) } else { protected_at };
            let Some(since) = since else { continue };
            let known_after = |sent: &Sent| match sent.path.contains("/lifecycle/deactivate") {
                true => KNOWN_TO_DESTROY_AFTER,
                false => KNOWN_AFTER,
            };
            let is_known = |sent: &Sent| sent.at > since.saturating_add(known_after(sent)).unwrap();
            let touched = self.sent.iter().find(|sent| sent.path.contains(&id) && is_known(sent));
            wrong.extend(
                touched.map(|sent| format!("user {user} is protected: {} {}", sent.method, sent.path)),
            );
        }
        wrong
    }

    /// A name of a group means the group that has it at the look-up, not a former bearer.
    fn of_groups(&self, command: &BTreeMap<String, SentCommand>) -> Vec<String> {
        let mut wrong = Vec::new();
        for group in 0..GROUPS {
            let Some(renamed) = self.renamed(group) else { continue };
            let id = group_id(group);
            let is_by_name = |command: &&SentCommand| {
                command.action == "group.delete" && command.named_group() == Some(group)
            };
            for command in command.values().filter(is_by_name) {
                let first = self.of(command).into_iter().find(|act| act.path.ends_with(&id));
                // It may have been renamed at that very moment.
                let late = renamed + IN_THAT_MOMENT;
                let was_begun = first.is_some_and(|first| first.at < late);
                wrong.extend(first.filter(|_| !was_begun).map(|_| {
                    format!("{} deletes group {group}, which has another name by then", command.id)
                }));
            }
        }
        wrong
    }

    /// When the login of a user was given to somebody else.
    fn given(&self, user: usize) -> Option<Timestamp> {
        let id = user_id(user);
        self.others.iter().find_map(|(at, other)| match other {
            ExternalEvent::LoginGiven { from, .. } if *from == id => Some(*at),
            _ => None,
        })
    }

    /// A login means the user who has it when something is sent, not a former bearer, whatever was sent before.
    fn of_former_bearer(&self, command: &SentCommand) -> Option<String> {
        let user = command.named_user()?;
        // It may have been given away at that very moment.
        let late = self.given(user)? + IN_THAT_MOMENT;
        let id = user_id(user);
        let is_late = |act: &&Sent| act.path.contains(&id) && act.at >= late;
        (self.of(command).into_iter().any(|act| is_late(&act)))
            .then(|| format!("{} is done to a user whose login is another's by then", command.id))
    }

    /// No more changes in an hour than the limit allows, except after a release.
    fn of_limits(&self, scenario: &Scenario, beginning: Timestamp) -> Option<String> {
        let released: Vec<_> = self
            .others
            .iter()
            .filter(|(_, other)| matches!(other, ExternalEvent::Released | ExternalEvent::Restored))
            .map(|(at, _)| *at)
            .collect();
        let suspends = self.sent.iter().filter(|sent| sent.path.ends_with("/lifecycle/suspend"));
        let mut begun: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for sent in suspends {
            begun.entry(&sent.path).or_insert(sent.at);
        }
        // What was let through before a release may be sent after it, if the daemon died in between.
        let asked = |path: &str| {
            let is_asked = |command: &&SentCommand| self.of(command).iter().any(|sent| sent.path == path);
            let commands = scenario.commands.iter().filter(is_asked);
            commands.map(|command| beginning + Duration::from_secs(command.sent_s)).min()
        };
        let mut times: Vec<_> = begun.into_iter().map(|(path, at)| (at, asked(path).unwrap_or(at))).collect();
        times.sort_unstable();
        let max = usize::try_from(scenario.suspends_max).unwrap();
        if times.len() == max {
            happens("a limit is full to the last");
        }
        times.windows(max + 1).find_map(|window| {
            let ((first, _), (last, _)) = (window[0], window[max]);
            let asked = window.iter().map(|(_, asked)| *asked).min().unwrap_or(first);
            let is_released = released.iter().any(|at| *at > asked && *at < last);
            (last.duration_since(first) < SignedDuration::from_hours(1) && !is_released)
                .then(|| format!("more than {max} suspends in an hour"))
        })
    }

    /// A limit refuses nothing unless that much can have counted.
    fn of_limit_refusals(
        &self,
        command: &BTreeMap<String, SentCommand>,
        suspends_max: u32,
    ) -> Option<String> {
        let could_count = command.values().filter(|command| command.action == super::LIMITED).count();
        let is_of_limit = |published: &&Published| {
            published.outcome.error.as_ref().is_some_and(|error| error.code == "limit_tripped")
        };
        let is_restored = self.first(&ExternalEvent::Restored).is_some();
        let refused = self.published.iter().filter(|_| !is_restored).find(is_of_limit)?;
        (could_count <= usize::try_from(suspends_max).unwrap())
            .then(|| format!("{} is refused by a limit that had room", refused.outcome.command_id))
    }

    /// Nothing is sent during a pause.
    fn of_pauses(&self) -> Option<String> {
        let mut paused: Option<Timestamp> = None;
        for (at, other) in self.others {
            match (other, paused) {
                (ExternalEvent::Paused, None) => paused = Some(*at),
                // A restored state may lack the pause.
                (ExternalEvent::Resumed | ExternalEvent::Restored, Some(since)) => {
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
