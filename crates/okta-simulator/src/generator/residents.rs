//! The users, groups and apps of the generated events, so that the directory has them under the same ids.

use fastrand::Rng;

use super::Options;
use super::cast::Cast;
use super::entity::Entity;

/// The people, groups and apps of an org.
#[derive(Debug)]
pub(crate) struct Residents {
    pub(crate) people: Vec<Resident>,
    pub(crate) groups: Vec<Resident>,
    pub(crate) apps: Vec<Resident>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Resident {
    pub(crate) id: String,
    /// A person's login.
    pub(crate) login: String,
    pub(crate) name: String,
    /// Whether the person has a device with Okta Verify.
    pub(crate) has_device: bool,
}

impl Residents {
    /// Those of the events that these options make.
    pub(crate) fn of(options: &Options) -> Self {
        let cast = Cast::new(&mut Rng::with_seed(options.seed));
        let people = cast
            .people
            .iter()
            .map(|person| Resident { has_device: person.device.is_some(), ..Resident::new(&person.user) });
        Self {
            people: people.collect(),
            groups: cast.groups.iter().map(|group| Resident::new(group)).collect(),
            apps: cast.apps.iter().map(|app| Resident::new(app)).collect(),
        }
    }
}

impl Resident {
    fn new(entity: &Entity) -> Self {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        Self {
            id: entity.id.clone(),
            login: text(&entity.alternate_id),
            name: text(&entity.display_name),
            has_device: false,
        }
    }
}
