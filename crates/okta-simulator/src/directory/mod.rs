//! The org's directory: users, groups, apps, who is in or has which, and network zones. The rules are here and know neither
//! HTTP nor clocks; `http` puts them behind Okta's endpoints.

mod app;
mod apps;
mod change;
mod consent;
mod credentials;
mod criteria;
mod factor;
mod group;
mod groups;
mod http;
mod lifecycle;
mod listing;
mod planted;
mod profile;
mod role;
mod seed;
mod status;
mod user;
mod users;
mod versioned;
mod writes;
mod zone;
mod zones;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock;
use super::generator::{self, Party};

pub(super) use consent::ConsentKind;
pub(super) use http::{AppCall, GroupCall, RoleCall, UserCall, Visit, ZoneCall, answer};
pub(super) use lifecycle::Operation;
pub(super) use writes::{Write, Writes};

use app::App;
use change::Change;
use group::Group;
use user::User;
use versioned::Versioned;
use zone::Zone;

/// All that the org knows of people.
#[derive(Debug)]
pub(super) struct Directory {
    users: BTreeMap<String, Versioned<User>>,
    /// Users as they were when they were deleted.
    deleted: Vec<User>,
    groups: BTreeMap<String, Versioned<Group>>,
    /// Ids of users by the id of the group; those of built-in groups are not kept.
    members: BTreeMap<String, BTreeSet<String>>,
    apps: BTreeMap<String, App>,
    zones: BTreeMap<String, Zone>,
    /// Users on their way to another status, by id.
    in_transition: BTreeSet<String>,
    /// What has changed since it was asked for the last time.
    changes: Vec<Change>,
    /// Whose all API tokens are.
    token_owner: Option<Party>,
    /// How long lists and searches lag behind.
    listing_delay_ms: i64,
    /// How long activation and deactivation take.
    transition_ms: i64,
}

/// How long what takes a while takes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delays {
    /// Until lists and searches see a change.
    #[serde(default)]
    listing_milliseconds: i64,
    /// From the request to activate or deactivate a user until that is done.
    #[serde(default)]
    transition_milliseconds: i64,
}

impl Directory {
    /// A directory without anybody.
    pub(super) fn empty(listing_delay: Duration, transition: Duration) -> Self {
        Self {
            users: BTreeMap::new(),
            deleted: Vec::new(),
            groups: BTreeMap::new(),
            members: BTreeMap::new(),
            apps: BTreeMap::new(),
            zones: BTreeMap::new(),
            in_transition: BTreeSet::new(),
            changes: Vec::new(),
            token_owner: None,
            listing_delay_ms: clock::duration_ms(listing_delay),
            transition_ms: clock::duration_ms(transition),
        }
    }

    /// Completes what takes a while and should be done by now.
    pub(super) fn settle(&mut self, now_ms: i64) {
        for id in std::mem::take(&mut self.in_transition) {
            let Some(user) = self.users.get(&id).and_then(Versioned::now) else { continue };
            match user.transition {
                Some(transition) if transition.done_ms <= now_ms => {
                    let mut user = user.clone();
                    user.transition = None;
                    user.enter(transition.to, transition.done_ms);
                    self.keep_user(user, transition.done_ms);
                }
                Some(_) => {
                    self.in_transition.insert(id);
                }
                None => {}
            }
        }
    }

    /// What has changed since this was asked for the last time.
    fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// How long what takes a while takes.
    pub(super) fn delays(&self) -> Delays {
        Delays { listing_milliseconds: self.listing_delay_ms, transition_milliseconds: self.transition_ms }
    }

    /// Lets it take another while from now on.
    pub(super) fn set_delays(&mut self, delays: Delays) {
        self.listing_delay_ms = delays.listing_milliseconds.max(0);
        self.transition_ms = delays.transition_milliseconds.max(0);
    }

    /// The time up to which lists and searches see changes.
    fn listed_until(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(self.listing_delay_ms)
    }
}

/// An id of Okta's form.
fn new_id(prefix: &str) -> String {
    generator::okta_id(&mut fastrand::Rng::new(), prefix)
}
