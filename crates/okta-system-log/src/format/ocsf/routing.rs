//! Which class and activity an event type becomes: reads the table of the version, and says why.

use std::sync::LazyLock;

use super::{
    super::{
        facts::{Assessment, is_for_something_else},
        findings::{Finding, Stage},
        log_event::LogEvent,
        rules::{Row, Rule, Rules},
    },
    class::{
        API_ACTIVITY, AUTHENTICATION, BASE_EVENT, CLASSES, CLOSE, Class, DETECTION_FINDING,
        ENTITY_MANAGEMENT, LOGON, OTHER, READ, UPDATE,
    },
};

/// The table of OCSF 1.8.0. A later version is another file.
const V1_8: &str = include_str!("v1_8/routing.csv");

static RULES: LazyLock<Rules<Columns>> = LazyLock::new(|| read(V1_8));

/// What a row of the table says.
#[derive(Debug, Clone)]
struct Columns {
    class: &'static Class,
    activity: Activity,
    note: Note,
}

/// How a row decides the activity.
#[derive(Debug, Clone, Copy)]
enum Activity {
    /// It names it.
    Is(u8),
    /// `verb`: the verb of the event type, among those of the class.
    ByVerb,
    /// `part`: what is done to a part is an update of the whole, unless the part is only read.
    OfPart,
}

/// Further facts that follow from the event type alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    None,
    /// A privilege that is granted or revoked.
    Privilege(&'static str),
    /// `auth_protocol_id`
    Protocol(u8),
    /// The actor impersonates another user.
    Impersonation,
    /// More than one factor was shown.
    Mfa,
}

/// Where an event type goes, and why.
#[derive(Debug, Clone)]
pub struct Routing {
    /// The class.
    pub class: &'static Class,
    /// The `activity_id`.
    pub activity: u8,
    /// The kind of rule that decided.
    pub rule: Rule,
    /// The pattern that fitted.
    pub pattern: &'static str,
    /// Why the table says so.
    pub reason: &'static str,
    pub(super) note: Note,
}

fn read(table: &'static str) -> Rules<Columns> {
    Rules::read(table, Columns::read, |columns| columns.class.name)
}

impl Columns {
    fn read([class, activity, note]: [&'static str; 3]) -> Option<Self> {
        // Which events are findings is decided for all formats in one place, and not here.
        let class = Class::by_name(class).filter(|class| class.uid != DETECTION_FINDING)?;
        let activity = match activity {
            "verb" => Activity::ByVerb,
            "part" if class.uid == ENTITY_MANAGEMENT => Activity::OfPart,
            caption => Activity::Is(class.activity_id(caption)?),
        };
        Some(Self { class, activity, note: Note::read(note)? })
    }
}

impl Note {
    fn read(note: &'static str) -> Option<Self> {
        match note.split_once('=').unwrap_or((note, "")) {
            ("", "") => Some(Self::None),
            ("mfa", "") => Some(Self::Mfa),
            ("impersonation", "") => Some(Self::Impersonation),
            ("privilege", privilege) => Some(Self::Privilege(privilege)),
            ("protocol", protocol) => protocol.parse().ok().map(Self::Protocol),
            _ => None,
        }
    }
}

impl Routing {
    /// Where `event_type` goes. Total: what no row knows is API Activity, and what is no event type is a Base Event.
    pub fn of(event_type: Option<&str>) -> Self {
        let Some(event_type) = event_type else { return Self::base_event("it has no event type") };
        match Finding::of(event_type) {
            Some(finding) => Self::of_finding(finding),
            None => Self::by_table(&RULES, event_type),
        }
    }

    /// Where `event` of this type goes. What is in an event may say that a finding is over, and that a factor was not
    /// checked for a sign-on.
    pub(in crate::format) fn of_event(
        event: &LogEvent<'_>,
        event_type: Option<&str>,
        assessment: &Assessment<'_>,
    ) -> Self {
        let routing = Self::of(event_type);
        if let Some(finding) = event_type.and_then(Finding::of) {
            return Self { activity: activity_of(finding.stage_after(assessment)), ..routing };
        }
        if routing.class.uid == AUTHENTICATION && routing.activity == LOGON && is_for_something_else(event) {
            return Self { activity: OTHER, note: Note::None, ..routing };
        }
        routing
    }

    fn by_table(rules: &Rules<Columns>, event_type: &str) -> Self {
        let Some(row) = rules.find(event_type) else { return Self::base_event("the table is empty") };
        let done = |class: &Class| rules.find_verb(class.name, event_type);
        let activity = match row.columns.activity {
            Activity::Is(activity) => activity,
            // Without a family the verb alone makes it the management of something.
            Activity::ByVerb if row.rule == Rule::Fallback => {
                return match Class::by_uid(ENTITY_MANAGEMENT).and_then(done) {
                    Some(verb) => Self::by(verb, verb.columns.activity.named()),
                    None => Self::by(row, OTHER),
                };
            }
            Activity::ByVerb => done(row.columns.class).map_or(OTHER, |verb| verb.columns.activity.named()),
            Activity::OfPart => match done(row.columns.class).map(|verb| verb.columns.activity.named()) {
                None | Some(OTHER) => OTHER,
                Some(READ) => READ,
                Some(_) => UPDATE,
            },
        };
        Self::by(row, activity)
    }

    fn by(row: &Row<Columns>, activity: u8) -> Self {
        let Row { rule, pattern, reason, columns: Columns { class, note, .. } } = row;
        Self { class, activity, rule: *rule, pattern, reason, note: *note }
    }

    fn of_finding(finding: &'static Finding) -> Self {
        let Finding { event_type, stage, reason } = finding;
        let activity = activity_of(*stage);
        let class = Class::by_uid(DETECTION_FINDING).unwrap_or(&CLASSES[0]);
        Self { class, activity, rule: Rule::Exact, pattern: event_type, reason, note: Note::None }
    }

    fn base_event(reason: &'static str) -> Self {
        let class = Class::by_uid(BASE_EVENT).unwrap_or(&CLASSES[0]);
        Self { class, activity: 0, rule: Rule::Fallback, pattern: "", reason, note: Note::None }
    }

    /// Whether no row knows the event type.
    pub fn is_fallback(&self) -> bool {
        self.rule == Rule::Fallback && self.class.uid == API_ACTIVITY
    }
}

/// `activity_id` of a Detection Finding.
fn activity_of(stage: Stage) -> u8 {
    match stage {
        Stage::Opened => 1,
        Stage::Changed => 2,
        Stage::Closed => CLOSE,
    }
}

impl Activity {
    /// The activity that a row for a verb names.
    fn named(self) -> u8 {
        match self {
            Self::Is(activity) => activity,
            Self::ByVerb | Self::OfPart => OTHER,
        }
    }
}

#[cfg(test)]
mod tests;
