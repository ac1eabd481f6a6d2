//! The objects that a request names, as written: how each is looked up, whether it must exist, and whether other
//! commands may touch it at the same time. Pure.

use std::borrow::Cow;

use super::{NewName, UserAttribute};
use crate::command::{ActionFailure, IpRange, execute::Code};

/// The longest login that Okta accepts, in characters (its schema of users). Ids are shorter.
const LOGIN_CHARS_MAX: usize = 100;
/// The longest value of an attribute in its base schema, in characters: that of `postalAddress`.
const ATTRIBUTE_CHARS_MAX: usize = 4_096;
/// The longest name of a group, in characters.
pub(super) const GROUP_CHARS_MAX: usize = 255;
/// The most characters of a long name that people are shown.
const SHOWN_CHARS_MAX: usize = 60;
/// The longest name of a network zone, in characters (its schema of zones).
const ZONE_CHARS_MAX: usize = 128;

/// The objects that a request names, in the order of the request.
#[derive(Debug)]
pub(in crate::command) struct Names<'a> {
    /// No other command touches a user at the same time.
    pub(in crate::command) users: Vec<UserName<'a>>,
    pub(in crate::command) groups: Vec<GroupName<'a>>,
    /// An id; the app must exist. Commands do not change apps themselves, so several may use one at the same time.
    pub(in crate::command) app: Option<&'a str>,
    /// A network zone, by id or exact name; it must exist, and no other command touches it at the same time.
    pub(in crate::command) zone: Option<&'a str>,
    /// Addresses to be blocked.
    pub(in crate::command) blocked: &'a [IpRange],
}

/// A user, as a request names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::command) enum UserName<'a> {
    /// An id or a login of a user who must exist.
    Known(&'a str),
    /// An id or a login of a user who may be gone.
    MaybeGone(&'a str),
    /// An id, a login or an e-mail of a user who may be gone.
    MaybeGoneByEmail(&'a str),
    /// The only user with this attribute, who must exist.
    Attribute(&'a UserAttribute),
    /// Exactly the login of a new user.
    New(&'a str),
}

/// A group, as a request names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::command) struct GroupName<'a> {
    pub(in crate::command) name: &'a str,
    pub(in crate::command) presence: Presence,
    pub(in crate::command) hold: Hold,
}

/// Whether a group exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::command) enum Presence {
    /// By id or exact name; it must exist.
    Known,
    /// By id or exact name; it may be gone.
    MaybeGone,
    /// By exactly the name of a new group of Okta's own kind.
    New,
}

/// Whether other commands may touch an object at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::command) enum Hold {
    /// No other command.
    Alone,
    /// Other commands that share it.
    Shared,
}

impl<'a> Names<'a> {
    /// No objects.
    pub(in crate::command) fn nothing() -> Self {
        Self { users: Vec::new(), groups: Vec::new(), app: None, zone: None, blocked: &[] }
    }

    /// One user.
    pub(super) fn user(user: UserName<'a>) -> Self {
        Self { users: vec![user], ..Self::nothing() }
    }

    /// Users who must exist.
    pub(super) fn users(names: &'a [String]) -> Self {
        Self { users: names.iter().map(|name| UserName::Known(name)).collect(), ..Self::nothing() }
    }

    /// One group.
    pub(super) fn group(name: &'a str, presence: Presence, hold: Hold) -> Self {
        Self { groups: vec![GroupName { name, presence, hold }], ..Self::nothing() }
    }

    /// Adds groups that must exist and that other commands may share.
    pub(super) fn and_groups(self, names: &'a [String]) -> Self {
        let group = |name: &'a String| GroupName { name, presence: Presence::Known, hold: Hold::Shared };
        Self { groups: names.iter().map(group).collect(), ..self }
    }

    /// Adds an app.
    pub(super) fn and_app(self, id: &'a str) -> Self {
        Self { app: Some(id), ..self }
    }

    /// A network zone.
    pub(super) fn zone(name: &'a str) -> Self {
        Self { zone: Some(name), ..Self::nothing() }
    }

    /// Adds addresses to be blocked.
    pub(super) fn and_blocked(self, blocked: &'a [IpRange]) -> Self {
        Self { blocked, ..self }
    }

    /// Fails if a name is longer than Okta allows: no request is made for it.
    pub(super) fn of_possible_lengths(self) -> Result<Self, ActionFailure> {
        for user in &self.users {
            match user {
                UserName::Attribute(attribute) => {
                    must_be_short("an attribute's value", attribute.shown_value(), ATTRIBUTE_CHARS_MAX)?;
                }
                UserName::Known(name)
                | UserName::MaybeGone(name)
                | UserName::MaybeGoneByEmail(name)
                | UserName::New(name) => must_be_short("a user's login", name, LOGIN_CHARS_MAX)?,
            }
        }
        for group in &self.groups {
            must_be_short("a group's name", group.name, GROUP_CHARS_MAX)?;
        }
        self.zone.map_or(Ok(()), |name| must_be_short("a network zone's name", name, ZONE_CHARS_MAX))?;
        Ok(self)
    }

    /// Fails if Okta does not accept the names that the request gives.
    pub(super) fn giving(self, new: Option<NewName<'a>>) -> Result<Self, ActionFailure> {
        for login in new.into_iter().flat_map(NewName::logins) {
            must_be_short("a user's login", login, LOGIN_CHARS_MAX)?;
        }
        if let Some(NewName::Group(name)) = new {
            must_be_short("a group's name", name, GROUP_CHARS_MAX)?;
        }
        Ok(self)
    }

    /// Whether it names a user who is not to be created.
    pub(in crate::command) fn has_user(&self) -> bool {
        self.users.iter().any(|user| !user.is_new())
    }
}

/// Fails if `name`, which is `what`, is longer than Okta allows.
pub(super) fn must_be_short(what: &str, name: &str, chars_max: usize) -> Result<(), ActionFailure> {
    let chars = name.chars().count();
    if chars <= chars_max {
        return Ok(());
    }
    let name = named_shortly(name);
    Err(Code::InvalidParameters
        .because(format!("{what} has {chars_max} characters at most, and `{name}` has {chars}")))
}

/// A name for people, shortened if it is long: an outcome does not repeat it whole.
pub(in crate::command) fn named_shortly(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(SHOWN_CHARS_MAX) {
        None => Cow::Borrowed(name),
        Some((end, _)) => Cow::Owned(format!("{}…", &name[..end])),
    }
}

impl<'a> UserName<'a> {
    /// The name as written.
    pub(in crate::command) fn text(self) -> &'a str {
        match self {
            Self::Known(name) | Self::MaybeGone(name) | Self::MaybeGoneByEmail(name) | Self::New(name) => {
                name
            }
            Self::Attribute(attribute) => &attribute.text,
        }
    }

    fn is_new(self) -> bool {
        match self {
            Self::New(_) => true,
            Self::Known(_) | Self::MaybeGone(_) | Self::MaybeGoneByEmail(_) | Self::Attribute(_) => false,
        }
    }
}
