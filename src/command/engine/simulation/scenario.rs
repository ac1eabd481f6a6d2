//! The events of one simulated run: users, groups, commands, faults, and what others do. All of it follows from the
//! seed.

use std::{collections::BTreeSet, time::Duration};

use fastrand::Rng;
use serde_json::{Value, json};

use super::{
    LIMITED,
    sender::Sender,
    world::{ExternalEvent, World},
};

/// The protected group.
pub(super) const ADMINS: &str = "00gAdmins00000000000";
/// Users whom commands and others are about; the last two are protected, by name and as a member of the group.
pub(super) const USERS: usize = 6;
const PROTECTED_FROM: usize = 4;
/// Groups that are not protected.
pub(super) const GROUPS: usize = 3;

/// A command that is sent.
#[derive(Debug, Clone)]
pub(super) struct SentCommand {
    pub(super) id: String,
    pub(super) action: &'static str,
    /// The index of the user whom it is about, if any.
    pub(super) user: Option<usize>,
    pub(super) group: Option<usize>,
    /// In seconds since the beginning.
    pub(super) sent_s: u64,
    pub(super) not_before_s: Option<u64>,
    pub(super) expires_s: Option<u64>,
    /// The status that the user must have.
    pub(super) expected: Option<&'static str>,
    pub(super) sender: Sender,
    /// Whether somebody else sends it under the id of another command, without a signature.
    pub(super) is_foreign: bool,
    pub(super) message: Value,
}

/// One run.
#[derive(Debug)]
pub(super) struct Scenario {
    /// The messages in the queue, in this order, with copies.
    pub(super) commands: Vec<SentCommand>,
    /// What others do, and when.
    pub(super) others: Vec<(Duration, ExternalEvent)>,
    /// After how many interactions with the world each life but the last ends.
    pub(super) lives: Vec<i64>,
    /// How long the daemon is down after each of them.
    pub(super) downtimes: Vec<Duration>,
    pub(super) suspends_max: u32,
    /// Whether signatures are required.
    pub(super) is_signed: bool,
    /// Before which life a sender's key is removed.
    pub(super) key_removed_before_life: Option<usize>,
    /// Before which life the backup of the state is restored.
    pub(super) restored_before_life: Option<usize>,
}

pub(super) fn user_id(user: usize) -> String {
    format!("00uUser{user}000000000000")
}

/// The user who gets the login of another one.
pub(super) fn heir_id(user: usize) -> String {
    format!("00uHeir{user}000000000000")
}

pub(super) fn login(user: usize) -> String {
    format!("user{user}@acme.com")
}

pub(super) fn group_id(group: usize) -> String {
    format!("00gGroup{group}00000000000")
}

/// The group that gets the name of another one, once that is renamed.
pub(super) fn successor_id(group: usize) -> String {
    format!("00gSuccessor{group}0000000")
}

pub(super) fn group_name(group: usize) -> String {
    format!("Team {group}")
}

pub(super) fn is_protected(user: usize) -> bool {
    user >= PROTECTED_FROM
}

/// Creates all users and groups.
pub(super) fn populate(world: &World) {
    let now_ms = world.now_ms();
    let mut random = Rng::with_seed(world.record().random.u64(..));
    for user in 0..USERS {
        let status = if random.u8(..4) == 0 { "SUSPENDED" } else { "ACTIVE" };
        let login = login(user);
        world.org.plant_user(
            json!({ "id": user_id(user), "status": status, "profile": { "login": login, "email": login } }),
            now_ms,
        ).unwrap();
    }
    for group in 0..GROUPS {
        let members: Vec<_> = (0..USERS).filter(|_| random.bool()).map(user_id).collect();
        let profile = json!({ "name": group_name(group) });
        world
            .org
            .plant_group(json!({ "id": group_id(group), "profile": profile, "members": members }), now_ms)
            .unwrap();
    }
    let admins = json!({ "id": ADMINS, "profile": { "name": "Admins" }, "members": [user_id(USERS - 1)] });
    world.org.plant_group(admins, now_ms).unwrap();
}

impl SentCommand {
    /// The group that it names by name.
    pub(super) fn named_group(&self) -> Option<usize> {
        let is_named = |group: &usize| self.message["parameters"]["group"] == group_name(*group).as_str();
        self.group.filter(is_named)
    }

    /// The user whom it names by login.
    pub(super) fn named_user(&self) -> Option<usize> {
        let is_named = |user: &usize| self.message["parameters"]["user"] != user_id(*user).as_str();
        self.user.filter(is_named)
    }
}

impl Scenario {
    pub(super) fn of(random: &mut Rng) -> Self {
        let mut commands = Vec::new();
        let mut seen = BTreeSet::new();
        // In some worlds the limit is what matters: more than it has room for come at once.
        let is_about_limit = random.u8(..3) == 0;
        for number in 0..random.usize(3..12) {
            let command = command(random, number, is_about_limit);
            if seen.insert((command.action, command.user, command.group)) {
                commands.push(command);
            }
        }
        for _ in 0..random.usize(..4) {
            let copy: SentCommand = commands[random.usize(..commands.len())].clone();
            let sent_s = copy.sent_s + random.u64(..400);
            commands.push(SentCommand { sent_s, ..copy });
        }
        let lives: Vec<_> = (0..random.usize(..4)).map(|_| random.i64(2..120)).collect();
        let downtimes = lives.iter().map(|_| downtime(random)).collect();
        let mut others: Vec<_> = (0..random.usize(..8)).flat_map(|_| others(random, &commands)).collect();
        let before_life = |random: &mut Rng| random.usize(1..=lives.len());
        let (mut key_removed_before_life, mut restored_before_life) = (None, None);
        let is_signed = random.u8(..4) == 0;
        if is_signed {
            // A signed message that is not a command gets no answer under its id.
            let never = |command: &&mut SentCommand| {
                command.expires_s.is_some() && command.not_before_s >= command.expires_s
            };
            commands.iter_mut().filter(never).for_each(|command| command.expires_s = None);
        }
        if !lives.is_empty() && is_signed && random.bool() {
            key_removed_before_life = Some(before_life(random));
        }
        if !lives.is_empty() && random.u8(..4) == 0 {
            restored_before_life = Some(before_life(random));
            others.push((Duration::from_millis(random.u64(..200_000)), ExternalEvent::BackedUp));
        } else {
            // Which of two unsigned commands has the id is certain only if they come one after the other, and not
            // together after a stop.
            let is_stopped =
                !lives.is_empty() || others.iter().any(|(_, other)| *other == ExternalEvent::Paused);
            if is_signed || !is_stopped {
                commands.extend(foreign(random, &commands, &mut seen));
            }
            if random.u8(..4) == 0 {
                let (user, login) = (user_id(PROTECTED_FROM), "former@acme.com".to_owned());
                let at = Duration::from_millis(random.u64(..200_000));
                others.push((at, ExternalEvent::Relogged { user, login }));
            }
        }
        commands.extend(sent_again(&commands, &others));
        commands.sort_by_key(|command| command.sent_s);
        let suspends_max = match (suspends(&commands), random.u8(..2)) {
            (suspends @ 2.., _) if is_about_limit => random.u32(1..suspends),
            (0, _) | (_, 0) => random.u32(1..6),
            // The limit has room for each of them, and no more.
            (suspends, _) => suspends,
        };
        Self {
            commands,
            others,
            lives,
            downtimes,
            suspends_max,
            is_signed,
            key_removed_before_life,
            restored_before_life,
        }
    }
}

/// How many commands count for the limit.
fn suspends(commands: &[SentCommand]) -> u32 {
    let limited = commands.iter().filter(|command| command.action == LIMITED && !command.is_foreign);
    u32::try_from(limited.map(|command| &command.id).collect::<BTreeSet<_>>().len()).unwrap()
}

/// How long the daemon stays down.
fn downtime(random: &mut Rng) -> Duration {
    Duration::from_millis(if random.u8(..4) == 0 { random.u64(..1_500_000) } else { random.u64(1..30_000) })
}

/// Another command with the id of an earlier one.
fn foreign(
    random: &mut Rng,
    commands: &[SentCommand],
    seen: &mut BTreeSet<(&'static str, Option<usize>, Option<usize>)>,
) -> Option<SentCommand> {
    let first = commands[random.usize(..commands.len())].clone();
    let mut foreign = command(random, commands.len(), false);
    let is_new = seen.insert((foreign.action, foreign.user, foreign.group));
    foreign.message["id"] = first.id.as_str().into();
    let (id, sent_s) = (first.id, 400 + random.u64(1..300));
    (is_new && random.bool()).then_some(SentCommand { id, sent_s, is_foreign: true, ..foreign })
}

/// A command that a limit may have refused is sent again after each release.
fn sent_again(commands: &[SentCommand], others: &[(Duration, ExternalEvent)]) -> Vec<SentCommand> {
    let released =
        others.iter().filter(|(_, other)| *other == ExternalEvent::Released).map(|(at, _)| at.as_secs() + 20);
    let limited = |sent_s: u64| {
        let of_limit = commands.iter().filter(|command| command.action == LIMITED && !command.is_foreign);
        of_limit.map(move |command| SentCommand { sent_s: sent_s.max(command.sent_s), ..command.clone() })
    };
    released.take(1).flat_map(limited).collect()
}

/// A suspension that is sent once to a daemon that crashes after the given number of interactions, and whose sender's
/// key is removed then.
pub(super) fn suspension_by_one_who_loses_their_key(dealings: i64, not_before_s: Option<u64>) -> Scenario {
    let message = json!({ "id": "c0", "action": LIMITED, "parameters": { "user": user_id(0) } });
    let command = SentCommand {
        id: "c0".to_owned(),
        action: LIMITED,
        user: Some(0),
        group: None,
        sent_s: 1,
        not_before_s,
        expires_s: None,
        expected: None,
        sender: Sender::Portal,
        is_foreign: false,
        message,
    };
    let path = format!("/api/v1/users/{}/lifecycle/unsuspend", user_id(0));
    Scenario {
        commands: vec![command],
        // Whatever their status was, they are active when it comes.
        others: vec![(Duration::ZERO, ExternalEvent::Changed { method: "POST", path })],
        lives: vec![dealings],
        downtimes: vec![Duration::from_secs(1)],
        suspends_max: 1,
        is_signed: true,
        key_removed_before_life: Some(1),
        restored_before_life: None,
    }
}

/// A deletion of a group by its name. While it waits, the group is renamed, and a new one gets the old name.
pub(super) fn deletion_of_a_group_that_is_renamed_before_it_is_sent() -> Scenario {
    let (group, name) = (group_id(0), group_name(0));
    let message = json!({ "id": "c0", "action": "group.delete", "parameters": { "group": name } });
    let command = SentCommand {
        id: "c0".to_owned(),
        action: "group.delete",
        user: None,
        group: Some(0),
        sent_s: 1,
        not_before_s: None,
        expires_s: None,
        expected: None,
        sender: Sender::Hr,
        is_foreign: false,
        message,
    };
    let renamed = (Duration::from_secs(8), ExternalEvent::Renamed { group, name: "Former 0".to_owned() });
    let planted = (Duration::from_secs(9), ExternalEvent::Planted { group: successor_id(0), name });
    Scenario {
        commands: vec![command],
        others: vec![renamed, planted],
        lives: Vec::new(),
        downtimes: Vec::new(),
        suspends_max: 1,
        is_signed: false,
        key_removed_before_life: None,
        restored_before_life: None,
    }
}

/// A command of any kind, or mostly one that is limited.
fn command(random: &mut Rng, number: usize, is_about_limit: bool) -> SentCommand {
    const OF_USERS: [&str; 7] = [
        "user.suspend",
        "user.unsuspend",
        "user.deactivate",
        "user.activate",
        "user.clear_sessions",
        "user.update",
        "user.get",
    ];
    const OF_MEMBERS: [&str; 2] = ["group.add_user", "group.remove_user"];
    let sent_s = random.u64(..120);
    let user = random.usize(..USERS);
    let group = random.usize(..GROUPS);
    let (action, of_user, of_group) = match random.u8(..10) {
        0..8 if is_about_limit => (LIMITED, true, false),
        0..6 => (OF_USERS[random.usize(..OF_USERS.len())], true, false),
        6..8 => (OF_MEMBERS[random.usize(..2)], true, true),
        8 => ("group.delete", false, true),
        _ => ("group.get", false, true),
    };
    let mut parameters = json!({});
    if of_user {
        parameters["user"] = match random.u8(..4) {
            0 => user_id(user),
            1 => format!("USER{user}@acme.com"),
            2 => format!("user{user}"),
            _ => login(user),
        }
        .into();
    }
    if of_group {
        parameters["group"] = if random.u8(..4) == 0 { group_id(group) } else { group_name(group) }.into();
    }
    if action == "user.update" {
        parameters["profile"] = json!({ "title": format!("title {number}") });
    }
    let not_before_s = match random.u8(..8) {
        0 => Some(sent_s + random.u64(..60)),
        1 => Some(sent_s + random.u64(700..2_000)),
        _ => None,
    };
    let expires_s = (random.u8(..5) == 0).then(|| sent_s + random.u64(1..200));
    let id = format!("c{number}");
    let expected = (of_user && !of_group && random.u8(..3) == 0)
        .then(|| if random.bool() { "ACTIVE" } else { "SUSPENDED" });
    let mut message = json!({ "id": id, "action": action, "parameters": parameters });
    if let Some(expected) = expected {
        message["expect"] = json!({ "status": [expected] });
    }
    let sender = if random.bool() { Sender::Hr } else { Sender::Portal };
    let (user, group) = (of_user.then_some(user), of_group.then_some(group));
    SentCommand {
        id,
        action,
        user,
        group,
        sent_s,
        not_before_s,
        expires_s,
        expected,
        sender,
        is_foreign: false,
        message,
    }
}

/// A rename of a group, mostly when a command names it, and mostly with a new group that gets the old name.
fn renamed(
    random: &mut Rng,
    (mut at, mut group): (Duration, usize),
    commands: &[SentCommand],
) -> Vec<(Duration, ExternalEvent)> {
    let by_name: Vec<_> =
        commands.iter().filter_map(|command| Some((command.named_group()?, command.sent_s))).collect();
    if !by_name.is_empty() && random.u8(..4) > 0 {
        let (named, sent_s) = by_name[random.usize(..by_name.len())];
        group = named;
        at = Duration::from_millis((sent_s * 1000 + random.u64(..4_000)).saturating_sub(3_000));
    }
    let mut others =
        vec![(at, ExternalEvent::Renamed { group: group_id(group), name: format!("Former {group}") })];
    if random.u8(..4) > 0 {
        let at = at + Duration::from_millis(random.u64(1..3_000));
        others.push((at, ExternalEvent::Planted { group: successor_id(group), name: group_name(group) }));
    }
    others
}

/// A login that is given to somebody else, mostly when a command names it.
fn login_given(random: &mut Rng, mut at: Duration, commands: &[SentCommand]) -> (Duration, ExternalEvent) {
    let by_name: Vec<_> = commands
        .iter()
        .filter_map(|command| Some((command.named_user()?, command.sent_s)))
        .filter(|(user, _)| !is_protected(*user))
        .collect();
    let mut user = random.usize(..PROTECTED_FROM);
    if !by_name.is_empty() && random.u8(..4) > 0 {
        let (named, sent_s) = by_name[random.usize(..by_name.len())];
        user = named;
        at = Duration::from_millis((sent_s * 1000 + random.u64(..60_000)).saturating_sub(3_000));
    }
    (at, ExternalEvent::LoginGiven { from: user_id(user), to: heir_id(user), login: login(user) })
}

/// An action of somebody else, with what belongs to it.
fn others(random: &mut Rng, commands: &[SentCommand]) -> Vec<(Duration, ExternalEvent)> {
    let at = Duration::from_millis(random.u64(..300_000));
    let user = user_id(random.usize(..PROTECTED_FROM));
    let group = random.usize(..GROUPS);
    let of_user = |what: &str| ExternalEvent::Changed {
        method: "POST",
        path: format!("/api/v1/users/{user}/lifecycle/{what}"),
    };
    let member = |method| {
        let path = format!("/api/v1/groups/{}/users/{user}", group_id(group));
        ExternalEvent::Changed { method, path }
    };
    match random.u8(..13) {
        0 | 1 => vec![(at, of_user("unsuspend"))],
        2 => vec![(at, of_user("suspend"))],
        3 | 4 => vec![(at, of_user("activate?sendEmail=false"))],
        5 => vec![(at, member("DELETE"))],
        6 => vec![(at, member("PUT"))],
        7 => renamed(random, (at, group), commands),
        8 => vec![(at, ExternalEvent::Protected { user })],
        11 => vec![login_given(random, at, commands)],
        9 if !commands.is_empty() => {
            let id = commands[random.usize(..commands.len())].id.clone();
            vec![(at, ExternalEvent::Cancelled { id })]
        }
        10 => {
            let until = at + Duration::from_millis(random.u64(1_000..600_000));
            vec![(at, ExternalEvent::Paused), (until, ExternalEvent::Resumed)]
        }
        _ => vec![(at, ExternalEvent::Released)],
    }
}
