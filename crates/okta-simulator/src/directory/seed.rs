//! The directory at the start: the people, groups and apps of the generated events, under the same ids.

use serde_json::{Map, Value, json};

use super::Directory;
use super::app::{App, Assignment, Scope};
use super::factor::{Factor, FactorKind};
use super::group::{Group, GroupKind, GroupProfile};
use super::profile::Profile;
use super::status::Status;
use super::user::User;
use super::versioned::Versioned;
use crate::Options;
use crate::clock::DAY_MS;
use crate::generator::{Resident, Residents};

/// The first people are in this group, and nobody else is.
const ADMINISTRATORS: &str = "Administrators";
const ADMINISTRATORS_COUNT: usize = 8;
/// Statuses of the last people but for one of each; all others are active.
const OTHER_STATUSES: [Status; 7] = [
    Status::Staged,
    Status::Provisioned,
    Status::Recovery,
    Status::LockedOut,
    Status::PasswordExpired,
    Status::Suspended,
    Status::Deprovisioned,
];

impl Directory {
    /// The directory of an org that started at this time.
    pub(crate) fn seeded(options: &Options, started_ms: i64) -> Self {
        let mut directory = Self::empty(options.listing_delay, options.transition_time);
        let residents = Residents::of(options);
        let created_ms = started_ms - 400 * DAY_MS;
        for group in &residents.groups {
            let kind = match group.name.as_str() {
                "Everyone" => GroupKind::BuiltIn,
                name if name.contains('\\') => GroupKind::AppGroup,
                _ => GroupKind::OktaGroup,
            };
            let profile = GroupProfile { name: group.name.clone(), description: None };
            let group = Group::new(group.id.clone(), kind, profile, created_ms);
            directory.groups.insert(group.id.clone(), Versioned::new(created_ms, group));
        }
        for (number, person) in residents.people.iter().enumerate() {
            let from_end = residents.people.len() - 1 - number;
            let status = OTHER_STATUSES.get(from_end).copied().unwrap_or(Status::Active);
            directory.settle_in(number, person, status, &residents.groups, created_ms);
        }
        for (number, app) in residents.apps.iter().enumerate() {
            directory.install(number, app, &residents, created_ms);
        }
        directory.lay_out_zones(created_ms);
        directory.token_owner =
            residents.people.first().and_then(|owner| directory.user(&owner.id).ok()).map(User::party);
        directory
    }

    fn settle_in(
        &mut self,
        number: usize,
        person: &Resident,
        status: Status,
        groups: &[Resident],
        created_ms: i64,
    ) {
        let home = &groups[2 + number % (groups.len() - 2)];
        let mut user =
            User::new(person.id.clone(), Status::Staged, profile(number, person, home), created_ms);
        if !matches!(status, Status::Staged | Status::Provisioned | Status::Deprovisioned) {
            (user.has_password, user.password_changed_ms) = (true, Some(created_ms));
            user.recovery_question = Some("Who was your first teacher?".to_owned());
        }
        if person.has_device && status != Status::Deprovisioned {
            let kinds = [FactorKind::Push, FactorKind::Totp, FactorKind::Sms];
            user.factors =
                kinds[..2 + number % 2].iter().map(|kind| Factor::new(*kind, created_ms)).collect();
        }
        if status != Status::Staged {
            user.enter(status, created_ms);
            user.activated_ms = Some(created_ms);
        }
        self.users.insert(user.id.clone(), Versioned::new(created_ms, user));
        self.members.entry(home.id.clone()).or_default().insert(person.id.clone());
        let administrators = groups.iter().find(|group| group.name == ADMINISTRATORS);
        if let Some(group) = administrators
            && number < ADMINISTRATORS_COUNT
        {
            self.members.entry(group.id.clone()).or_default().insert(person.id.clone());
        }
    }

    /// Every app is assigned to one group, and to some people themselves.
    fn install(&mut self, number: usize, app: &Resident, residents: &Residents, created_ms: i64) {
        let mut installed = App::new(app.id.clone(), app.name.clone(), created_ms);
        let group = &residents.groups[number % residents.groups.len()];
        installed.groups.insert(group.id.clone(), created_ms);
        for person in residents.people.iter().skip(number).step_by(residents.apps.len().max(1)) {
            if let Ok(user) = self.user(&person.id)
                && user.status != Status::Deprovisioned
            {
                installed.users.insert(user.id.clone(), Assignment::new(user, Scope::User, created_ms));
            }
        }
        self.apps.insert(installed.id.clone(), installed);
    }
}

fn profile(number: usize, person: &Resident, home: &Resident) -> Profile {
    let (first, last) = person.name.split_once(' ').unwrap_or((&person.name, "Unknown"));
    let profile = json!({
        "login": person.login,
        "email": person.login,
        "firstName": first,
        "lastName": last,
        "department": home.name,
        "employeeNumber": (10_000 + number).to_string(),
        "costCenter": (100 + number % 20).to_string(),
        "badge": format!("B{number:04}"),
    });
    match profile {
        Value::Object(profile) => profile,
        _ => Map::new(),
    }
}
