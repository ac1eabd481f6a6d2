//! What the stories are about: the people, apps, groups and policies of one org, fixed by the seed.

use std::sync::Arc;

use fastrand::Rng;

use super::entity::{Device, Entity};
use super::origin::Origin;

const PEOPLE: usize = 300;
const ADMINS: usize = 8;
const HIDEOUTS: usize = 12;

const FIRST_NAMES: &[&str] = &[
    "Ada",
    "Amélie",
    "Bjørn",
    "Chidi",
    "Chloé",
    "Daan",
    "Elif",
    "Fatima",
    "Giulia",
    "Hannah",
    "Ingrid",
    "Jürgen",
    "José",
    "Keiko",
    "Léa",
    "Liam",
    "Łukasz",
    "Mei",
    "Noor",
    "Olga",
    "Paulo",
    "Priya",
    "Quinn",
    "Rosa",
    "Søren",
    "Thandiwe",
    "Ülo",
    "Véronique",
    "Wei",
    "Yuki",
    "Zoë",
    "小明",
];
const LAST_NAMES: &[&str] = &[
    "Andersson",
    "Bianchi",
    "Čapek",
    "da Silva",
    "Dvořák",
    "El Amrani",
    "Fernández",
    "García",
    "Hoffmann",
    "Ito",
    "Jansen",
    "Kowalski",
    "Lefèvre",
    "Müller",
    "Nguyễn",
    "O'Brien",
    "Öztürk",
    "Papadopoulos",
    "Rossi",
    "Šimić",
    "Smith",
    "Tanaka",
    "van den Berg",
    "Wójcik",
    "Yılmaz",
    "王",
];
const APPS: &[&str] = &[
    "Salesforce.com",
    "Google Workspace",
    "Microsoft Office 365",
    "Slack",
    "Zoom",
    "GitHub Enterprise Cloud",
    "Atlassian Cloud",
    "Workday",
    "ServiceNow UD",
    "Box",
    "AWS Account Federation",
    "Datadog",
    "PagerDuty",
    "Expensify",
    "Active Directory",
    "Payroll (\"old\")",
    "Intranet",
    "VPN",
    "Wiki",
    "Zendesk",
];
const GROUPS: &[&str] = &[
    "Everyone",
    "Administrators",
    "Engineering",
    "Sales",
    "Finance",
    "People & Culture",
    "Contractors",
    "Support \"Tier 2\"",
    "ACME\\Domain Users",
    "VPN Users",
    "Design",
    "Legal",
    "Data/Analytics",
    "Zürich Office",
    "All Managers",
    "On-call",
];
const POLICIES: &[&str] = &[
    "Default Policy",
    "Any two factors",
    "Password only",
    "Okta Admin Console",
    "Contractors sign-on policy",
    "Catch-all Rule policy",
];
const RULES: &[&str] =
    &["Catch-all Rule", "Managed devices only", "New device needs MFA", "Deny anonymizers"];

/// Everybody and everything of one org.
#[derive(Debug)]
pub(super) struct Cast {
    pub(super) people: Vec<Person>,
    pub(super) apps: Vec<Arc<Entity>>,
    pub(super) groups: Vec<Arc<Entity>>,
    pub(super) policies: Vec<Arc<Entity>>,
    pub(super) rules: Vec<Arc<Entity>>,
    /// Service apps that call the API.
    pub(super) services: Vec<Arc<Entity>>,
    pub(super) hideouts: Vec<Arc<Origin>>,
    pub(super) servers: Vec<Arc<Origin>>,
    pub(super) directory: Arc<Entity>,
    pub(super) system: Arc<Entity>,
    pub(super) okta_verify: Arc<Entity>,
    seed: u64,
}

/// A user, their device, and where they work from.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) user: Arc<Entity>,
    /// The same person inside an app.
    pub(super) app_user: Arc<Entity>,
    pub(super) device: Option<Arc<Device>>,
    pub(super) office: Arc<Origin>,
    pub(super) home: Arc<Origin>,
}

impl Cast {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let system = Entity::new(rng, "spr", "SystemPrincipal").named("system@okta.com", "Okta System");
        let okta_verify = Entity::new(rng, "pfd", "AuthenticatorEnrollment").named("unknown", "Okta Verify");
        let directory = Entity::new(rng, "0oa", "AppInstance").named("acme.example", "Active Directory");
        Self {
            people: (0..PEOPLE).map(|number| Person::new(rng, number)).collect(),
            apps: named(rng, "0oa", "AppInstance", APPS),
            groups: named(rng, "00g", "UserGroup", GROUPS),
            policies: named(rng, "rst", "PolicyEntity", POLICIES),
            rules: named(rng, "rul", "PolicyRule", RULES),
            services: named(rng, "0oa", "PublicClientApp", &["SIEM collector", "HR sync", "Terraform"]),
            hideouts: (0..HIDEOUTS).map(|_| Arc::new(Origin::hideout(rng))).collect(),
            servers: (0..4).map(|_| Arc::new(Origin::server(rng))).collect(),
            directory: Arc::new(directory),
            system: Arc::new(system),
            okta_verify: Arc::new(okta_verify),
            seed: rng.u64(..),
        }
    }

    /// A random person.
    pub(super) fn person(&self, rng: &mut Rng) -> &Person {
        &self.people[rng.usize(..self.people.len())]
    }

    /// A random administrator.
    pub(super) fn admin(&self, rng: &mut Rng) -> &Person {
        &self.people[rng.usize(..ADMINS.min(self.people.len()))]
    }

    /// One of a few things of any kind; the same kind and number give the same thing.
    pub(super) fn thing(&self, kind: &str, number: u64) -> Arc<Entity> {
        let hash = kind
            .bytes()
            .fold(self.seed ^ number, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mut rng = Rng::with_seed(hash);
        let prefix: String = kind.chars().take(3).collect::<String>().to_lowercase();
        let entity = Entity::new(&mut rng, &prefix, kind).named("unknown", format!("{kind} {number}"));
        Arc::new(entity)
    }
}

impl Person {
    /// The person of this number; a new one for a number beyond the size of the cast.
    pub(super) fn new(rng: &mut Rng, number: usize) -> Self {
        let first = FIRST_NAMES[rng.usize(..FIRST_NAMES.len())];
        let last = LAST_NAMES[rng.usize(..LAST_NAMES.len())];
        let login = format!("{}.{number}@acme.example", ascii(first, last));
        let name = format!("{first} {last}");
        let app_user = Entity::new(rng, "0ua", "AppUser").named(login.as_str(), name.as_str());
        let user = Entity::new(rng, "00u", "User").named(login, name);
        let has_device = rng.u32(..10) < 7;
        Self {
            user: Arc::new(user),
            app_user: Arc::new(app_user),
            device: has_device.then(|| Arc::new(Device::new(rng))),
            office: Arc::new(Origin::office(rng)),
            home: Arc::new(Origin::home(rng)),
        }
    }
}

fn named(rng: &mut Rng, prefix: &str, kind: &str, names: &[&str]) -> Vec<Arc<Entity>> {
    let entities = names.iter().map(|name| {
        let entity =
            Entity::new(rng, prefix, kind).named(if kind == "UserGroup" { "unknown" } else { name }, *name);
        Arc::new(entity)
    });
    entities.collect()
}

/// A login's first part: letters without marks, since logins are typed.
fn ascii(first: &str, last: &str) -> String {
    let letters = |name: &str| -> String {
        name.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_lowercase()
    };
    match (letters(first), letters(last)) {
        (first, last) if first.is_empty() || last.is_empty() => "user".to_owned(),
        (first, last) => format!("{first}.{last}"),
    }
}
