//! Verifies an audit: its lines in the order in which they were written, against their chain, against where it must
//! begin, and against its end in the state before and after they are read. Pure.

use std::{cmp::Ordering, collections::BTreeMap, fmt, str::FromStr};

use super::{
    ChainHead, SavedChain,
    chain::{HASH_DIGITS, LinePosition, Link, REPEATED_WITHIN, ReadLine, RecentLinks, read_line},
};

/// The most flaws that are listed.
const FLAWS_MAX: usize = 100;

/// An audit, as far as it was read.
#[derive(Debug, Default)]
pub struct Verification {
    chains: BTreeMap<String, Chain>,
    flaws: Vec<Flaw>,
    flaw_count: u64,
    /// Truncated lines.
    fragments: u64,
    /// Ends that are uncertain after a crash.
    in_doubt: u64,
    /// The ends of the chains in the state. None: the state is not available.
    expected: Option<BTreeMap<String, Expected>>,
    /// The records before the first ones, unless the audit begins with the first of all.
    before: BTreeMap<String, ChainHead>,
    /// The last records that the state knows, if further ones follow.
    overtaken: BTreeMap<String, ChainHead>,
}

/// The last record of a chain that was verified before: the audit continues after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedHead {
    /// The name of the section.
    pub commands: String,
    /// The record.
    pub head: ChainHead,
}

/// Where a chain must end.
#[derive(Debug)]
struct Expected {
    saved: SavedChain,
    is_met: bool,
}

#[derive(Debug)]
struct Chain {
    first: Link,
    last: Link,
    /// The record with the highest number, which is the last unless somebody has tampered.
    highest: ChainHead,
    records: u64,
    recent: RecentLinks,
    beginning: Beginning,
}

/// How a chain begins.
#[derive(Debug)]
enum Beginning {
    /// Where it must.
    Sound,
    /// Later: a flaw, unless a record says that the files before were removed.
    Late(Flaw),
    /// Later, as the record with this number says.
    AfterRemoval(u64),
}

/// A flaw, with its file and line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The file and the line; none: the end of the audit.
    pub at: Option<(String, u64)>,
    /// What is wrong.
    pub reason: String,
}

/// What was read of a section's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainReport {
    /// The name of the section.
    pub commands: String,
    /// The number of records.
    pub records: u64,
    /// The number of the first record.
    pub first_sequence: u64,
    /// The number of the record that says that those before the first were removed because of their age or size.
    pub removed_by: Option<u64>,
    /// The last record.
    pub last: ChainHead,
    /// The record that later files must follow: the last, or the last that the state knows, if that is earlier.
    pub after: VerifiedHead,
}

impl fmt::Display for Flaw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some((file, line)) => write!(formatter, "{file}:{line}: {}", self.reason),
            None => formatter.write_str(&self.reason),
        }
    }
}

impl Verification {
    /// Reads line number `number` of `file`, without its line end.
    pub fn read(&mut self, file: &str, number: u64, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        let flaw = match read_line(line) {
            ReadLine::Chained(link) => self.follow(link, (file, number)),
            ReadLine::Changed(place) => Some(format!(
                "record {} of `{}` was changed: its hash is of other bytes",
                place.sequence, place.commands
            )),
            ReadLine::Unchained => Some(
                "a record has no place in the chain: somebody else has written it, or a version of oktabus before there \
                 was one, whose files are to be moved away"
                    .to_owned(),
            ),
            ReadLine::Fragment => {
                self.fragments += 1;
                None
            }
        };
        if let Some(reason) = flaw {
            self.tell(Some((file.to_owned(), number)), reason);
        }
    }

    /// Adds the record at this place to its chain; returns what is wrong with its position.
    fn follow(&mut self, link: Link, (file, number): (&str, u64)) -> Option<String> {
        let commands = &link.place.commands;
        let head = ChainHead { sequence: link.place.sequence, hash: link.hash.clone() };
        if let Some(expected) = self.expected.as_mut().and_then(|expected| expected.get_mut(commands)) {
            expected.is_met |= expected.saved.head == head;
        }
        let Some(chain) = self.chains.get_mut(commands) else {
            let flaw = self.begins_badly(&link);
            let beginning = match self.begins_late(&link) {
                Some(reason) if flaw.is_none() => {
                    Beginning::Late(Flaw { at: Some((file.to_owned(), number)), reason })
                }
                _ => Beginning::Sound,
            };
            let mut recent = RecentLinks::default();
            recent.push(&link);
            let (first, last) = (link.clone(), link.clone());
            let mut chain = Chain { first, last, highest: head, records: 1, recent, beginning };
            chain.take_removal(&link);
            self.chains.insert(commands.clone(), chain);
            return flaw;
        };
        if chain.recent.has(&link) {
            return None;
        }
        let (last, sequence) = (chain.last.place.sequence, link.place.sequence);
        let before = self.before.get(commands);
        let flaw = if before.is_some_and(|before| before.sequence == sequence && *before != head) {
            Some(format!("record {sequence} of `{commands}` is not the one that was looked at before"))
        } else if sequence == last + 1 && link.prev == chain.last.hash {
            None
        } else if sequence > last + 1 {
            Some(missing(commands, last + 1, sequence - 1))
        } else {
            Some(format!(
                "record {sequence} of `{commands}` does not follow record {last}: it is of another history, such as that of \
                 an older state after `oktabus state import`"
            ))
        };
        if flaw.is_none() {
            chain.take_removal(&link);
        }
        chain.recent.push(&link);
        chain.records += 1;
        if sequence > chain.highest.sequence {
            chain.highest = head;
        }
        chain.last = link;
        flaw
    }

    /// Whether a chain that begins with `link` may repeat the previous records: after a crash, uncertain records are
    /// written again, and their file may have been rotated in the meantime.
    fn begins_again(&self, Link { place, hash, .. }: &Link) -> bool {
        let Some(before) = self.before.get(&place.commands) else { return false };
        match place.sequence.cmp(&before.sequence) {
            Ordering::Less => before.sequence - place.sequence < REPEATED_WITHIN as u64,
            Ordering::Equal => *hash == before.hash,
            Ordering::Greater => false,
        }
    }

    /// What is wrong with the first record of a chain.
    fn begins_badly(&self, link: &Link) -> Option<String> {
        let LinePosition { commands, sequence } = &link.place;
        if self.expected.as_ref().is_some_and(|expected| !expected.contains_key(commands)) {
            return Some(format!("record {sequence} is of `{commands}`, whose audit this is not"));
        }
        if self.begins_again(link) {
            return None;
        }
        let before = self.before.get(commands).cloned().unwrap_or_default();
        if *sequence > before.sequence + 1 {
            return None;
        }
        let follows = *sequence == before.sequence + 1 && link.prev == before.hash;
        (!follows).then(|| {
            format!("record {sequence} of `{commands}` does not follow record {} as it was", before.sequence)
        })
    }

    /// Which records are missing before the first of a chain.
    fn begins_late(&self, link: &Link) -> Option<String> {
        let LinePosition { commands, sequence } = &link.place;
        let before = self.before.get(commands).map_or(0, |before| before.sequence);
        (*sequence > before + 1).then(|| {
            let missing = missing(commands, before + 1, sequence - 1);
            format!(
                "{missing} from the beginning: give the files too that were moved away, the oldest first, or say with \
                 `--after {commands}:{}:HASH` where they ended when they were looked at",
                sequence - 1
            )
        })
    }

    /// Sets where the records before the first ones ended.
    pub fn go_on_after(&mut self, looked_at: VerifiedHead) {
        self.before.insert(looked_at.commands, looked_at.head);
    }

    /// Requires that there are no chains but those of `ends`, and that each reaches its end. Call it before reading: a
    /// running daemon writes further records after that.
    pub fn expect(&mut self, ends: impl IntoIterator<Item = (String, SavedChain)>) {
        let expected = ends.into_iter().map(|(commands, saved)| {
            let is_met = saved.head.sequence == 0 || self.before.get(&commands) == Some(&saved.head);
            (commands, Expected { saved, is_met })
        });
        self.expected = Some(expected.collect());
    }

    /// Whether it is compared with the state: without it, missing records at the end, additions after it and missing or
    /// foreign chains do not show.
    pub fn is_held_against_state(&self) -> bool {
        self.expected.is_some()
    }

    /// Checks, after everything was read, the end of each chain. `ends` are those of the state after reading: each
    /// record is in the state before it is in the audit.
    pub fn finish(&mut self, ends: impl IntoIterator<Item = (String, SavedChain)>) {
        let late: Vec<_> = self.chains.values_mut().filter_map(Chain::take_late).collect();
        self.flaw_count += late.len() as u64;
        self.flaws.splice(0..0, late);
        self.flaws.truncate(FLAWS_MAX);
        let mut reasons = Vec::new();
        let unmet = self.expected.iter().flatten().filter(|(_, expected)| !expected.is_met);
        for (commands, Expected { saved, .. }) in unmet {
            let end = match (self.chains.get(commands), self.before.get(commands)) {
                (Some(chain), _) => chain.last.place.sequence,
                (None, Some(before)) => before.sequence,
                (None, None) => 0,
            };
            // They were saved before they were written: after a crash it is unknown whether they were written.
            let in_doubt = saved.unwritten().is_some_and(|batch| batch.first_sequence == end + 1);
            if in_doubt {
                self.in_doubt += 1;
            } else if end < saved.head.sequence {
                let missing = missing(commands, end + 1, saved.head.sequence);
                reasons.push(format!(
                    "{missing} from the end, by what the state keeps: give the files too that were moved away"
                ));
            } else {
                let sequence = saved.head.sequence;
                reasons.push(format!(
                    "record {sequence} of `{commands}` is not the one that the state knows of"
                ));
            }
        }
        for (commands, before) in &self.before {
            let Some(chain) = self.chains.get(commands) else { continue };
            let end = chain.highest.sequence;
            if end >= before.sequence {
                continue;
            }
            let saved = self.expected.as_ref().and_then(|expected| expected.get(commands));
            let unwritten = saved.and_then(|Expected { saved, .. }| saved.unwritten());
            if unwritten.is_some_and(|batch| batch.first_sequence <= chain.first.place.sequence) {
                self.in_doubt += 1;
            } else {
                let looked_at = before.sequence;
                reasons.push(format!(
                    "records up to {end} of `{commands}` do not lead to record {looked_at}, which was looked at before"
                ));
            }
        }
        for (commands, saved) in ends {
            let Some(chain) = self.chains.get(&commands) else { continue };
            let (end, known) = (&chain.highest, &saved.head);
            if end.sequence > known.sequence {
                self.overtaken.insert(commands.clone(), known.clone());
                reasons.push(format!(
                    "records up to {} of `{commands}` stand behind the last one that the state knows of, {}: somebody else has \
                     written them, or the state is an older one, as after `oktabus state import`",
                    end.sequence, known.sequence
                ));
            } else if end.sequence == known.sequence && end.hash != known.hash {
                reasons.push(format!(
                    "record {} of `{commands}` is not the one that the state knows of",
                    end.sequence
                ));
            }
        }
        reasons.dedup();
        for reason in reasons {
            self.tell(None, reason);
        }
    }

    fn tell(&mut self, at: Option<(String, u64)>, reason: String) {
        self.flaw_count += 1;
        if self.flaws.len() < FLAWS_MAX {
            self.flaws.push(Flaw { at, reason });
        }
    }

    /// The first hundred flaws.
    pub fn flaws(&self) -> &[Flaw] {
        &self.flaws
    }

    /// The number of flaws.
    pub fn flaw_count(&self) -> u64 {
        self.flaw_count
    }

    /// Lines that a crash may have truncated. Their content follows again, or there is a flaw.
    pub fn fragments(&self) -> u64 {
        self.fragments
    }

    /// Chains of which it is unknown, after a crash, whether the last records were written.
    pub fn in_doubt(&self) -> u64 {
        self.in_doubt
    }

    /// Each chain that was read.
    pub fn chains(&self) -> impl Iterator<Item = ChainReport> {
        self.chains.iter().map(|(commands, chain)| {
            let last = ChainHead { sequence: chain.last.place.sequence, hash: chain.last.hash.clone() };
            let head = self.overtaken.get(commands).unwrap_or(&last).clone();
            ChainReport {
                commands: commands.clone(),
                records: chain.records,
                first_sequence: chain.first.place.sequence,
                removed_by: match chain.beginning {
                    Beginning::AfterRemoval(sequence) => Some(sequence),
                    Beginning::Sound | Beginning::Late(_) => None,
                },
                last,
                after: VerifiedHead { commands: commands.clone(), head },
            }
        })
    }
}

impl Chain {
    /// What `link` says of removed records may explain where the chain begins.
    fn take_removal(&mut self, link: &Link) {
        let Some(removed) = link.removed.as_ref().filter(|_| matches!(self.beginning, Beginning::Late(_)))
        else {
            return;
        };
        let first = self.first.place.sequence;
        // Files go one after another: after a crash, some that may go are still there.
        let explains =
            first <= removed.sequence || first == removed.sequence + 1 && self.first.prev == removed.hash;
        if explains {
            self.beginning = Beginning::AfterRemoval(link.place.sequence);
        }
    }

    /// The flaw of a beginning that nothing has explained.
    fn take_late(&mut self) -> Option<Flaw> {
        match std::mem::replace(&mut self.beginning, Beginning::Sound) {
            Beginning::Late(flaw) => Some(flaw),
            other => {
                self.beginning = other;
                None
            }
        }
    }
}

impl fmt::Display for VerifiedHead {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { commands, head: ChainHead { sequence, hash } } = self;
        write!(formatter, "{commands}:{sequence}:{hash}")
    }
}

impl FromStr for VerifiedHead {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.rsplit_once(':').and_then(|(place, hash)| {
            let (commands, sequence) = place.rsplit_once(':')?;
            let is_hash = hash.len() == HASH_DIGITS && hash.bytes().all(|digit| digit.is_ascii_hexdigit());
            let head = ChainHead { sequence: sequence.parse().ok()?, hash: hash.to_ascii_lowercase() };
            is_hash.then(|| Self { commands: commands.to_owned(), head })
        });
        parsed.ok_or_else(|| "write COMMANDS:SEQUENCE:HASH, such as hr:41:9f86…".to_owned())
    }
}

fn missing(commands: &str, first: u64, last: u64) -> String {
    if first == last {
        return format!("record {first} of `{commands}` is missing");
    }
    format!("records {first} to {last} of `{commands}` are missing")
}

#[cfg(test)]
mod tests;
