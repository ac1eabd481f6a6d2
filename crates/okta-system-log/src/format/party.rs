//! The actor and the targets of an event: of what kind each is, and which of several is meant. Knows no format.

use std::{borrow::Cow, cmp::Ordering};

use super::{forms, object::Object, writer::ObjectWriter};

/// An actor or a target.
#[derive(Debug, Default)]
pub(super) struct Party<'a> {
    pub(super) object: Object<'a>,
    pub(super) kind: Kind,
    /// What Okta tells of it in detail, whose members are taken one by one; an empty object if there is none.
    pub(super) detail: Object<'a>,
}

/// Where Okta tells of a party what depends on its kind.
const DETAIL: &str = "detailEntry";

/// What a party is, by its `type`. Okta has no list of types and adds some all the time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    /// A user's account in an application.
    AppUser,
    /// An application, or a client of an authorization server.
    App,
    /// What acts by itself and is no person: a service account, a workload, an AI agent.
    Service,
    /// An account elsewhere: on a server, on a device, in a directory.
    Account,
    /// Okta itself.
    System,
    /// Nobody that Okta knows: the address that a request came from.
    Address,
    Group,
    /// A group in an application or a directory.
    AppGroup,
    Policy,
    PolicyRule,
    NetworkZone,
    Device,
    /// A machine that people sign on to.
    Server,
    Org,
    Role,
    /// An API token, or a token of OAuth.
    Token,
    /// A factor or an authenticator of a user.
    Enrollment,
    /// A mail, or the address that it goes to.
    Email,
    /// A scope of OAuth.
    Scope,
    #[default]
    Other,
}

/// The most letters that a type has whose kind is known by its whole name.
const TYPE_LETTERS_MAX: usize = 32;

impl Kind {
    /// Okta writes the same type in several ways: `IP address`, `RESOURCE_SET`, `ResourceSet`. Only letters and digits count.
    fn of(name: &str) -> Self {
        let mut letters = [0; TYPE_LETTERS_MAX];
        let mut length = 0;
        for letter in name.bytes().filter(u8::is_ascii_alphanumeric).take(TYPE_LETTERS_MAX) {
            letters[length] = letter.to_ascii_lowercase();
            length += 1;
        }
        // Letters and digits alone are text.
        Self::of_letters(str::from_utf8(&letters[..length]).unwrap_or_default())
    }

    fn of_letters(name: &str) -> Self {
        match name {
            "user" | "newuser" | "privilegeduser" => Self::User,
            "appuser" => Self::AppUser,
            "appinstance"
            | "application"
            | "app"
            | "publicclientapp"
            | "publicclientappentity"
            | "client"
            | "clientapp"
            | "oauthclient"
            | "oauth2client" => Self::App,
            "systemprincipal" | "system" => Self::System,
            "ipaddress" | "ip" => Self::Address,
            "usergroup" | "group" => Self::Group,
            "appgroup" | "directorygroup" => Self::AppGroup,
            "policyrule" | "rule" => Self::PolicyRule,
            "networkzone" | "networkzoneentity" | "zone" => Self::NetworkZone,
            "device" | "uddevice" => Self::Device,
            "server" => Self::Server,
            "org" | "organization" => Self::Org,
            "authenticatorenrollment" | "factor" | "userfactor" => Self::Enrollment,
            "email" | "emailaddress" => Self::Email,
            "aiagent" | "workloadprincipal" => Self::Service,
            _ if name.starts_with("policy") || name.ends_with("policy") => Self::Policy,
            _ if name.ends_with("serviceaccount") || name.ends_with("serviceprincipal") => Self::Service,
            _ if name.ends_with("account") => Self::Account,
            _ if name.ends_with("role") => Self::Role,
            _ if name.ends_with("scope") => Self::Scope,
            _ if name.ends_with("token") => Self::Token,
            _ => Self::Other,
        }
    }

    /// Whether it is a person's: their account at Okta or in an application.
    pub(super) fn is_account(self) -> bool {
        matches!(self, Self::User | Self::AppUser)
    }

    /// Whether it acts under an account of its own without being a person's.
    pub(super) fn is_principal(self) -> bool {
        matches!(self, Self::Service | Self::Account)
    }

    pub(super) fn is_group(self) -> bool {
        matches!(self, Self::Group | Self::AppGroup)
    }

    pub(super) fn is_policy(self) -> bool {
        matches!(self, Self::Policy | Self::PolicyRule)
    }

    /// Whether it is a device or a server, which is nobody's account.
    pub(super) fn is_machine(self) -> bool {
        matches!(self, Self::Device | Self::Server)
    }
}

impl<'a> Party<'a> {
    pub(super) fn new(object: Object<'a>) -> Self {
        let kind = object.peek("type").map_or(Kind::Other, |name| Kind::of(&name));
        let detail = object.peek_object(DETAIL).unwrap_or_default();
        Self { object, kind, detail }
    }

    /// Whether its detail is in another form than Okta's, and says something.
    pub(super) fn has_other_detail(&self) -> bool {
        self.detail.is_empty() && self.object.raw(DETAIL).is_some_and(forms::is_other)
    }

    /// The detail if something of it was taken.
    fn told_detail(&self) -> Option<&Object<'a>> {
        Some(&self.detail).filter(|detail| detail.has_taken())
    }

    /// Whether it has an id or a name.
    pub(super) fn is_identified(&self) -> bool {
        NAMES.iter().any(|member| self.object.peek(member).is_some())
    }

    /// Whether it is somebody or something with an id or a name: a mere address is nobody.
    pub(super) fn is_somebody(&self) -> bool {
        self.is_identified() && self.kind != Kind::Address
    }

    /// Whether its type says that it is a program, though Okta may call it so in many ways: a client, an agent.
    pub(super) fn is_program(&self) -> bool {
        let parts = ["Client", "Service", "Agent"];
        self.object.peek("type").is_some_and(|word| parts.iter().any(|part| word.contains(part)))
    }

    /// Whether Okta knows both by the same id, or, where one of them has none, as the same by login.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self.object.peek("id"), other.object.peek("id")) {
            (Some(one), Some(other)) => one == other,
            _ => self.kind == other.kind && self.has_login_of(other),
        }
    }

    fn has_login_of(&self, other: &Self) -> bool {
        let logins = (self.object.peek("alternateId"), other.object.peek("alternateId"));
        matches!(logins, (Some(one), Some(other)) if one.eq_ignore_ascii_case(&other))
    }

    /// Whether nothing has taken its id or its name yet.
    pub(super) fn is_untold(&self) -> bool {
        !NAMES.into_iter().any(|name| self.object.is_taken(name))
    }

    /// Okta's id of it, taken.
    pub(super) fn take_id(&self) -> Option<Cow<'a, str>> {
        self.object.take("id")
    }

    /// Its type as Okta writes it, taken.
    pub(super) fn take_type(&self) -> Option<Cow<'a, str>> {
        self.object.take("type")
    }

    /// A name for people: the display name, else the alternate id.
    pub(super) fn name(&self) -> Option<Cow<'a, str>> {
        self.object.peek("displayName").or_else(|| self.object.peek("alternateId"))
    }

    /// A name for people: the display name, else the alternate id; the one that is used is taken, and the other too if
    /// it says the same.
    pub(super) fn take_name(&self) -> Option<Cow<'a, str>> {
        let Some(name) = self.object.take("displayName") else { return self.object.take("alternateId") };
        self.object.mark_if("alternateId", |alternate| alternate == name);
        Some(name)
    }

    /// Writes the members that were not taken, if any, with the id that they belong to.
    pub(super) fn write_rest(&self, out: &mut ObjectWriter<'_>) {
        let detail = self.told_detail();
        let is_told =
            |name: &str| name == DETAIL && detail.is_some_and(|detail| detail.rest().next().is_none());
        let mut rest = self.object.rest().filter(|(name, _)| !is_told(name)).peekable();
        if rest.peek().is_none() {
            return;
        }
        if let Some(id) = self.object.raw("id") {
            out.raw("id", id);
        }
        for (name, json) in rest.filter(|(name, _)| *name != "id") {
            match detail.filter(|_| name == DETAIL) {
                Some(detail) => {
                    out.object(DETAIL, |out| detail.write_rest(out));
                }
                None => out.okta_raw(name, json),
            }
        }
    }
}

/// Members that tell who or what a party is.
const NAMES: [&str; 3] = ["id", "alternateId", "displayName"];

/// The one that is meant where there is room for one alone: the order of targets is not stable, so that the one with the
/// lowest id counts, whatever Okta puts first. What has an id comes before what has none, and what has a name before what has
/// neither: it says nothing, and stands for nobody.
pub(super) fn lowest<'e, 'a>(parties: impl Iterator<Item = &'e Party<'a>>) -> Option<&'e Party<'a>>
where
    'a: 'e,
{
    parties.reduce(|lowest, party| if is_lower(party, lowest) { party } else { lowest })
}

fn is_lower(party: &Party<'_>, than: &Party<'_>) -> bool {
    order(party, than) == Ordering::Less
}

/// The order of parties by their ids and names, whatever order Okta has them in: what has none comes last.
pub(super) fn order(one: &Party<'_>, other: &Party<'_>) -> Ordering {
    let members = NAMES.iter().chain(&["type"]);
    let mut orders = members.map(|name| match (one.object.peek(name), other.object.peek(name)) {
        (Some(one), Some(other)) => one.cmp(&other),
        (one, other) => other.is_some().cmp(&one.is_some()),
    });
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_type_whatever_okta_adds_and_however_it_is_spelled() {
        for (name, kind) in [
            ("User", Kind::User),
            ("AppInstance", Kind::App),
            ("PublicClientAppEntity", Kind::App),
            ("SystemPrincipal", Kind::System),
            ("IP address", Kind::Address),
            ("PolicyEntity", Kind::Policy),
            ("PolicyRule", Kind::PolicyRule),
            ("CUSTOM_ROLE", Kind::Role),
            ("access_token", Kind::Token),
            ("Token", Kind::Token),
            ("OAuthScope", Kind::Scope),
            ("ServiceAccount", Kind::Service),
            ("ServerAccount", Kind::Account),
            ("NextYearsThing", Kind::Other),
            ("Ünknown", Kind::Other),
            ("", Kind::Other),
        ] {
            assert_eq!(Kind::of(name), kind, "{name}");
        }
        assert_eq!(Kind::of(&"x".repeat(1_000)), Kind::Other);
    }

    #[test]
    fn the_one_that_is_meant_does_not_depend_on_order() {
        let party = |json| Party::new(Object::read(json).unwrap());
        let (one, two) = (party(r#"{"id":"1","displayName":"b"}"#), party(r#"{"id":"2","displayName":"a"}"#));
        let nameless = party(r#"{"displayName":"a"}"#);
        for parties in [[&one, &two], [&two, &one]] {
            assert_eq!(lowest(parties.into_iter()).and_then(Party::take_id).as_deref(), Some("1"));
        }
        assert!(is_lower(&one, &nameless) && !is_lower(&nameless, &one) && !is_lower(&one, &one));
        for nobody in [r#"{"type":"User"}"#, r#"{"id":null}"#, r#"{"id":"unknown","displayName":"null"}"#] {
            let nobody = party(nobody);
            assert!(is_lower(&nameless, &nobody) && !is_lower(&nobody, &nameless));
        }
    }

    #[test]
    fn who_has_no_id_is_known_by_login() {
        let party = |json| Party::new(Object::read(json).unwrap());
        let ada = party(r#"{"id":"00uAda","type":"User","alternateId":"ada@acme.example"}"#);
        let by_login = party(r#"{"id":null,"type":"User","alternateId":"Ada@acme.example"}"#);
        assert!(ada.is_same(&by_login) && by_login.is_same(&ada));
        for other in [
            r#"{"id":"00uBob","type":"User","alternateId":"ada@acme.example"}"#,
            r#"{"type":"User","alternateId":"bob@acme.example"}"#,
            r#"{"type":"AppUser","alternateId":"ada@acme.example"}"#,
            r#"{"type":"User","alternateId":"unknown"}"#,
            r#"{"type":"User"}"#,
        ] {
            assert!(!ada.is_same(&party(other)) && !party(other).is_same(&ada), "{other}");
        }
    }

    #[test]
    fn a_name_that_is_said_twice_is_taken_twice() {
        let party = |json| Party::new(Object::read(json).unwrap());
        let same = party(r#"{"alternateId":"a","displayName":"a"}"#);
        assert_eq!(same.take_name().as_deref(), Some("a"));
        assert_eq!(same.object.rest().count(), 0);
        let other = party(r#"{"alternateId":"a","displayName":"b"}"#);
        assert_eq!(other.take_name().as_deref(), Some("b"));
        assert_eq!(other.object.rest().count(), 1);
        let odd = party(r#"{"alternateId":[101],"displayName":"b","type":[102]}"#);
        odd.take_name();
        odd.object.mark_same("type", "Unknown");
        assert_eq!(odd.object.rest().count(), 2, "what is no text is not said by one");
    }
}
