//! Whether an audit is whole: lines in the order in which they were written, held against their chain and against what the
//! state keeps of its end. Pure.

use std::{collections::BTreeMap, fmt};

use super::{
    ChainHead, KeptChain,
    chain::{Link, ReadLine, RecentLinks, read_line},
};

/// How many flaws are told one by one.
const FLAWS_MAX: usize = 100;

/// An audit, as far as it was read.
#[derive(Debug, Default)]
pub struct Verification {
    chains: BTreeMap<String, Chain>,
    flaws: Vec<Flaw>,
    flaw_count: u64,
    /// Lines that were cut short.
    fragments: u64,
    /// Records from before there was a chain.
    unchained: u64,
    /// Ends that a crash has left in doubt.
    in_doubt: u64,
    expected: BTreeMap<String, Expected>,
}

/// Where a chain must lead.
#[derive(Debug)]
struct Expected {
    kept: KeptChain,
    is_met: bool,
}

#[derive(Debug)]
struct Chain {
    first: Link,
    last: Link,
    records: u64,
    recent: RecentLinks,
}

/// What is wrong, and at which line of which file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The file and the line; none: the end of it all.
    pub at: Option<(String, u64)>,
    /// What is wrong.
    pub reason: String,
}

/// What was read of the chain of one name's commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainReport {
    /// The name of the commands.
    pub commands: String,
    /// How many records there are.
    pub records: u64,
    /// The number of the first.
    pub first_sequence: u64,
    /// The last.
    pub last: ChainHead,
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
    /// Reads line number `number` of `file`, without its end.
    pub fn read(&mut self, file: &str, number: u64, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        let flaw = match read_line(line) {
            ReadLine::Chained(link) => self.follow(link),
            ReadLine::Changed(place) => Some(format!(
                "record {} of `{}` was changed: its hash is of other bytes",
                place.sequence, place.commands
            )),
            // Somebody without the chain has written it, which was no wonder before there was one.
            ReadLine::Unchained if self.chains.is_empty() => {
                self.unchained += 1;
                None
            }
            ReadLine::Unchained => {
                Some("a record has no place in the chain: oktabus has not written it".to_owned())
            }
            ReadLine::Fragment => {
                self.fragments += 1;
                None
            }
        };
        if let Some(reason) = flaw {
            self.tell(Some((file.to_owned(), number)), reason);
        }
    }

    /// Takes the record up into its chain; says what is wrong with its place.
    fn follow(&mut self, link: Link) -> Option<String> {
        let commands = &link.place.commands;
        if let Some(expected) = self.expected.get_mut(commands) {
            let ChainHead { sequence, hash } = &expected.kept.head;
            expected.is_met |= *sequence == link.place.sequence && *hash == link.hash;
        }
        let Some(chain) = self.chains.get_mut(commands) else {
            let mut recent = RecentLinks::default();
            recent.push(&link);
            let chain = Chain { first: link.clone(), last: link.clone(), records: 1, recent };
            self.chains.insert(commands.clone(), chain);
            return None;
        };
        if chain.recent.has(&link) {
            return None;
        }
        let (last, sequence) = (chain.last.place.sequence, link.place.sequence);
        let flaw = if sequence == last + 1 && link.prev == chain.last.hash {
            None
        } else if sequence > last + 1 {
            Some(missing(commands, last + 1, sequence - 1))
        } else {
            Some(format!(
                "record {sequence} of `{commands}` does not follow record {last}: it is of another history"
            ))
        };
        chain.recent.push(&link);
        chain.records += 1;
        chain.last = link;
        flaw
    }

    /// Demands that the chain of `commands` reaches what the state keeps of its end. To be called before anything is read:
    /// what a daemon writes meanwhile comes behind that.
    pub fn expect(&mut self, commands: &str, kept: &KeptChain) {
        if kept.head.sequence > 0 {
            self.expected.insert(commands.to_owned(), Expected { kept: kept.clone(), is_met: false });
        }
    }

    /// Says, when everything has been read, what is missing from the end.
    pub fn finish(&mut self) {
        let ends: Vec<_> = self.expected.iter().filter(|(_, expected)| !expected.is_met).collect();
        let mut reasons = Vec::new();
        for (commands, Expected { kept, .. }) in ends {
            let end = self.chains.get(commands).map_or(0, |chain| chain.last.place.sequence);
            // They are kept before they are written: a crash has left in doubt whether they were.
            let in_doubt = kept.unwritten().is_some_and(|batch| batch.first_sequence == end + 1);
            if in_doubt {
                self.in_doubt += 1;
            } else if end < kept.head.sequence {
                let missing = missing(commands, end + 1, kept.head.sequence);
                reasons.push(format!(
                    "{missing} from the end, by what the state keeps: give the files too that were moved away"
                ));
            } else {
                let sequence = kept.head.sequence;
                reasons.push(format!(
                    "record {sequence} of `{commands}` is not the one that the state knows of"
                ));
            }
        }
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

    /// What is wrong: the first hundred flaws.
    pub fn flaws(&self) -> &[Flaw] {
        &self.flaws
    }

    /// How many flaws there are.
    pub fn flaw_count(&self) -> u64 {
        self.flaw_count
    }

    /// Lines that a crash may have cut short. What was in them stands again behind them, or there is a flaw.
    pub fn fragments(&self) -> u64 {
        self.fragments
    }

    /// Records from before there was a chain, about which nothing can be said.
    pub fn unchained(&self) -> u64 {
        self.unchained
    }

    /// Chains of which a crash has left in doubt whether the last records were written.
    pub fn in_doubt(&self) -> u64 {
        self.in_doubt
    }

    /// Each chain that was read.
    pub fn chains(&self) -> impl Iterator<Item = ChainReport> {
        self.chains.iter().map(|(commands, chain)| ChainReport {
            commands: commands.clone(),
            records: chain.records,
            first_sequence: chain.first.place.sequence,
            last: ChainHead { sequence: chain.last.place.sequence, hash: chain.last.hash.clone() },
        })
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
