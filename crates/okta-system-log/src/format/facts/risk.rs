//! How risky Okta found it, in every notation in which Okta writes it.

use std::borrow::Cow;

use super::{level::Level, notation};
use crate::{event::is_missing, format::object::Object};

/// What Okta says of a risk. Where it says so in several places, the highest level counts: a risk that is told too high
/// is looked at, one that is told too low is not.
#[derive(Debug, Default)]
pub(in crate::format) struct Risk<'a> {
    /// None where Okta names no level, or none that can be read.
    pub(in crate::format) level: Option<Level>,
    /// Why, each reason once.
    pub(in crate::format) reasons: Vec<Cow<'a, str>>,
    /// The level before, where it changed.
    pub(in crate::format) previous_level: Option<Level>,
    /// What found it, for example `Session Influenced User Risk`.
    pub(in crate::format) detection: Option<Cow<'a, str>>,
    /// What Okta wrote as a risk and nobody could read: it may be a high one.
    pub(in crate::format) unread: Option<Cow<'a, str>>,
}

/// What the entry of a map tells of the risk.
#[derive(Debug, Clone, Copy)]
enum Part {
    Level,
    PreviousLevel,
    Reasons,
    Detection,
    /// A map of its own.
    Risk,
    /// What a token claims, of which a risk is only a part, if it is one at all.
    Claims,
    /// Maps of their own, each under the address of an event's type.
    Events,
    /// Behaviours, which others read where they stand beside a risk.
    Behaviors,
}

/// Names of entries, in small letters and without what may stand between them: `risk_level` is `Risk Level`.
const PARTS: [(&str, Part); 23] = [
    ("level", Part::Level),
    ("risklevel", Part::Level),
    ("currentlevel", Part::Level),
    ("previouslevel", Part::PreviousLevel),
    ("priorrisklevel", Part::PreviousLevel),
    ("previousrisklevel", Part::PreviousLevel),
    ("priorlevel", Part::PreviousLevel),
    ("reasons", Part::Reasons),
    ("reason", Part::Reasons),
    ("reasoncode", Part::Reasons),
    ("riskreasons", Part::Reasons),
    ("reasonadmin", Part::Reasons),
    ("detectionname", Part::Detection),
    ("risk", Part::Risk),
    ("riskchange", Part::Risk),
    ("partnerrisk", Part::Risk),
    ("partnerriskreportdata", Part::Risk),
    ("securityeventsproviderreportedrisk", Part::Risk),
    ("logonlysecuritydata", Part::Risk),
    ("behaviors", Part::Behaviors),
    ("userbehaviors", Part::Behaviors),
    // Of a security event token that a partner sent.
    ("claims", Part::Claims),
    ("events", Part::Events),
];

/// What the names of events begin with that are addresses, as those of the standard for security events are.
const ADDRESSES: [&str; 2] = ["https://", "http://"];

/// Names of entries of which the level has nothing.
const WITHOUT_LEVEL: [&str; 3] = ["issuer", "name", "direction"];

/// Parts of unknown names, in small letters, that may be a level's, and of what is in such an entry.
const HINTS: [&str; 6] = ["level", "risk", "score", "severity", "rating", "label"];

/// All levels, and those that nobody may overlook.
const LEVELS: [Level; 4] = [Level::Low, Level::Medium, Level::High, Level::Critical];
const HIGHER: [Level; 3] = [Level::Medium, Level::High, Level::Critical];

impl Part {
    fn of(name: &str) -> Option<Self> {
        let letters = || name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase());
        if ADDRESSES.iter().any(|beginning| name.starts_with(beginning)) {
            return Some(Self::Claims);
        }
        PARTS.iter().find(|(known, _)| letters().eq(known.bytes())).map(|(_, part)| *part)
    }

    /// Whether a level may be here.
    fn has_level(self) -> bool {
        !matches!(self, Self::PreviousLevel | Self::Reasons | Self::Detection | Self::Behaviors)
    }
}

/// Whether a map with these entries may have a level under a name that nobody knows: no entry is known, or none that has a
/// level is, and another sounds like one. Beside a level that is known, another that may be higher counts. Of what is only
/// `partly` a risk, the sound alone tells.
fn is_level_missed<'n, V: AsRef<str>>(entries: impl Iterator<Item = (&'n str, V)>, is_partly: bool) -> bool {
    let (mut has_known, mut has_level, mut has_unknown, mut has_hint) = (false, false, false, false);
    let mut has_higher = false;
    for (name, value) in entries.filter(|(name, _)| !WITHOUT_LEVEL.contains(name)) {
        let value = value.as_ref();
        match Part::of(name) {
            // They are none of a risk's, and nobody looks for them in one.
            Some(Part::Behaviors) => has_unknown |= !is_partly,
            Some(part) => {
                has_known = true;
                has_level |= part.has_level();
                let is_reasons = matches!(part, Part::Reasons);
                has_hint |= is_reasons && (mentions(value, &LEVELS) || assigns_other_level(value));
                has_higher |= is_reasons && assigns_other_level(value);
            }
            None => {
                has_unknown = true;
                has_hint |= sounds_like_level(name) || sounds_like_level(value);
                has_higher |= mentions(value, &HIGHER)
                    || assigns_other_level(value)
                    || is_called_level(name) && Level::read(value.trim_matches('"')).is_none();
            }
        }
    }
    if has_level { has_higher } else { has_hint || (has_unknown && !has_known && !is_partly) }
}

/// Whether one of the `levels` is among the words of a text, as where nothing parts it from a reason:
/// `reasons=New IP level=HIGH`.
fn mentions(text: &str, levels: &[Level]) -> bool {
    let is_level = |word: &str| levels.iter().any(|level| level.name().eq_ignore_ascii_case(word));
    text.split(|letter: char| !letter.is_ascii_alphanumeric()).any(is_level)
}

/// Whether somewhere in a text a level is set that is not low, or that nobody knows: `A level=HIGH`, `{"level":"SEVERE"}`,
/// `riskScore=90`.
fn assigns_other_level(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_around = |letter: char| matches!(letter, '"' | '\'' | '\\' | ' ');
    let signs = bytes.iter().enumerate().filter(|(_, byte)| matches!(byte, b'=' | b':'));
    signs.map(|(at, _)| (&text[..at], &text[at + 1..])).any(|(name, value)| {
        let name = name.trim_end_matches(is_around);
        let value = value.trim_start_matches(is_around);
        let end = value
            .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            .unwrap_or(value.len());
        let word = &value[..end];
        is_called_level(name) && !word.is_empty() && !matches!(Level::read(word), Some(Level::Low))
    })
}

/// Whether a name ends as that of a level does: `overallRiskLevel`.
fn is_called_level(name: &str) -> bool {
    let ends = |hint: &str| {
        let at = name.len().checked_sub(hint.len());
        at.and_then(|at| name.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(hint))
    };
    HINTS.iter().any(|hint| ends(hint))
}

fn sounds_like_level(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    Level::read(&text).is_some() || HINTS.iter().any(|hint| text.contains(hint))
}

impl<'a> Risk<'a> {
    /// Okta's word for the level; where it could not be read, what Okta wrote.
    pub(in crate::format) fn word(&self) -> Option<&str> {
        self.level.map(Level::name).or(self.unread.as_deref())
    }

    /// Adds what the JSON of a member says, whose notation may be any.
    pub(super) fn add(&mut self, json: &'a str) {
        match notation::content(json) {
            Some(Cow::Borrowed(content)) => self.add_map(content, DEPTH_MAX),
            Some(Cow::Owned(content)) => {
                let mut risk = Risk::default();
                risk.add_map(&content, DEPTH_MAX);
                self.merge(risk.into_owned());
            }
            None => {}
        }
    }

    /// Adds what a member says that is the level alone.
    pub(super) fn add_level(&mut self, json: &'a str) {
        match notation::content(json) {
            Some(Cow::Borrowed(content)) => self.add_part(Part::Level, content, DEPTH_MAX),
            Some(Cow::Owned(content)) => {
                let mut risk = Risk::default();
                risk.add_part(Part::Level, &content, DEPTH_MAX);
                self.merge(risk.into_owned());
            }
            None => {}
        }
    }

    /// Adds what a member says that is the reasons alone.
    pub(super) fn add_reasons(&mut self, json: &'a str) {
        match notation::content(json) {
            Some(Cow::Borrowed(content)) => self.add_part(Part::Reasons, content, DEPTH_MAX),
            Some(Cow::Owned(content)) => {
                let mut risk = Risk::default();
                risk.add_part(Part::Reasons, &content, DEPTH_MAX);
                self.merge(risk.into_owned());
            }
            None => {}
        }
    }

    /// Adds what a text says that is in no further text, and of which a risk may be a part.
    pub(super) fn add_content(&mut self, content: &'a str) {
        self.add_text(content, true, DEPTH_MAX);
    }

    /// Adds what an object says that is a risk, and of which `json` is the text.
    pub(super) fn add_object(&mut self, object: &Object<'a>, json: &'a str) {
        self.add_members(object, json, false, DEPTH_MAX);
    }

    /// Adds what an object says of which a risk may be a part.
    pub(super) fn add_part_of(&mut self, object: &Object<'a>, json: &'a str) {
        self.add_members(object, json, true, DEPTH_MAX);
    }

    /// A level that is told too low is not looked at: a low one beside something that nobody could read is not known, and
    /// neither is one that only the reasons tell.
    pub(super) fn distrust_low(&mut self) {
        if self.level.is_none() && self.unread.is_none() {
            self.unread = self.reasons.iter().find(|reason| mentions(reason, &LEVELS)).cloned();
        }
        if self.unread.is_some() && self.level == Some(Level::Low) {
            self.level = None;
        }
    }

    fn add_map(&mut self, content: &'a str, depth: usize) {
        self.add_text(content, false, depth);
    }

    fn add_text(&mut self, content: &'a str, is_partly: bool, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return self.add_unread(Cow::Borrowed(content)) };
        let content = content.trim_matches(notation::UNSEEN);
        if let Some(object) = Object::read(content) {
            return self.add_members(&object, content, is_partly, depth);
        }
        if let Some(elements) = Object::read_elements(content) {
            return elements.into_iter().for_each(|json| self.add_nested(Part::Risk, json, depth));
        }
        if Level::read(content).is_some() {
            return self.add_part(Part::Level, content, depth);
        }
        let (entries, is_whole) = notation::entries_by_name(content, |name| Part::of(name).is_some());
        let told = || entries.iter().filter(|(_, value)| !is_missing(value));
        let is_missed = match is_partly {
            true => !is_whole && sounds_like_level(content),
            false => !is_whole,
        };
        if is_missed || is_level_missed(told().copied(), is_partly) {
            self.add_unread(Cow::Borrowed(content));
        }
        for (name, value) in told() {
            if let Some(part) = Part::of(name) {
                self.add_part(part, value, depth);
            }
        }
    }

    fn add_members(&mut self, object: &Object<'a>, content: &'a str, is_partly: bool, depth: usize) {
        let told = object.members().filter_map(|(name, json)| Some((name, notation::content(json)?)));
        if is_level_missed(told, is_partly) {
            self.add_unread(Cow::Borrowed(content));
        }
        // The members borrow the text, not the object.
        object.members().for_each(|(name, json)| self.add_entry(name, json, depth));
    }

    fn add_entry(&mut self, name: &str, json: &'a str, depth: usize) {
        if let Some(part) = Part::of(name) {
            self.add_nested(part, json, depth);
        }
    }

    fn add_nested(&mut self, part: Part, json: &'a str, depth: usize) {
        match notation::content(json) {
            Some(Cow::Borrowed(content)) => self.add_part(part, content, depth),
            Some(Cow::Owned(content)) => {
                let mut risk = Risk::default();
                risk.add_part(part, &content, depth);
                self.merge(risk.into_owned());
            }
            None => {}
        }
    }

    fn add_part(&mut self, part: Part, content: &'a str, depth: usize) {
        match part {
            Part::Level => match Level::read(content) {
                Some(level) => self.level = self.level.max(Some(level)),
                None => self.add_unread(Cow::Borrowed(content)),
            },
            Part::PreviousLevel => self.previous_level = self.previous_level.max(Level::read(content)),
            Part::Reasons => self.add_reason_list(content),
            Part::Detection => {
                self.detection.get_or_insert(Cow::Borrowed(content));
            }
            Part::Risk => self.add_map(content, depth),
            Part::Claims | Part::Events => self.add_token(part, content, depth),
            Part::Behaviors => {}
        }
    }

    /// Adds what the claims or the events of a token say.
    fn add_token(&mut self, part: Part, content: &'a str, depth: usize) {
        let (Some(inner), Some(token)) = (depth.checked_sub(1), Object::read(content)) else {
            return self.add_map(content, depth);
        };
        if let Part::Events = part {
            return token.members().for_each(|(_, json)| self.add_nested(Part::Claims, json, inner));
        }
        self.add_members(&token, content, true, inner);
    }

    /// Reasons are a list of JSON, one text in several languages, or texts with commas between.
    fn add_reason_list(&mut self, content: &'a str) {
        if let Some(elements) = Object::read_elements(content) {
            for reason in elements.into_iter().filter_map(notation::content) {
                self.add_reason(reason);
            }
        } else if let Some(texts) = Object::read(content) {
            for reason in texts.members().filter_map(|(_, json)| notation::content(json)) {
                self.add_reason(reason);
            }
        } else {
            content.split(',').for_each(|reason| self.add_reason(Cow::Borrowed(reason.trim_ascii())));
        }
    }

    fn add_reason(&mut self, reason: Cow<'a, str>) {
        if !is_missing(&reason) && self.reasons.len() < REASONS_MAX && !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    pub(super) fn add_unread(&mut self, content: Cow<'a, str>) {
        self.unread.get_or_insert(content);
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.level = self.level.max(other.level);
        self.previous_level = self.previous_level.max(other.previous_level);
        other.reasons.into_iter().for_each(|reason| self.add_reason(reason));
        self.detection = self.detection.take().or(other.detection);
        self.unread = self.unread.take().or(other.unread);
    }

    pub(super) fn into_owned(self) -> Risk<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Risk {
            level: self.level,
            reasons: self.reasons.into_iter().map(owned).collect(),
            previous_level: self.previous_level,
            detection: self.detection.map(owned),
            unread: self.unread.map(owned),
        }
    }
}

/// Deeper than any risk of Okta's goes.
const DEPTH_MAX: usize = 8;
/// More than any risk of Okta's has. What is beyond stays where Okta wrote it.
const REASONS_MAX: usize = 64;

#[cfg(test)]
mod tests;
