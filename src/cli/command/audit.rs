//! `oktabus command audit --verify`: whether an audit is whole.

use std::{
    collections::BTreeMap,
    fs, io,
    io::BufRead as _,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;

use super::{CommandsArgument, journal_access::JournalAccess};
use crate::{
    cli::{Exit, fail, note, print},
    command::audit::{SavedChain, Verification, VerifiedHead, closed_audits},
    config::{AuditConfig, AuditFileConfig},
    telemetry::{printable, printable_json},
};

#[derive(Debug, Args)]
pub(super) struct AuditArguments {
    /// Check whether records were changed, removed or inserted
    #[arg(long, required = true)]
    verify: bool,
    /// Files of one audit, oldest first, including those that were moved away, or the output of a sink. Default: the file that the
    /// configuration names. All are compared with the state; if it is not available, the exit code is 69
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The end of earlier files that are not given: the name of the commands, the number of the last
    /// record, and its hash
    #[arg(long, value_name = "COMMANDS:SEQUENCE:HASH")]
    after: Vec<VerifiedHead>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, thiserror::Error)]
enum AuditError {
    #[error("cannot read the audit {path}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("no commands record decisions in a file: give files with what the sink got")]
    NoFile,
    #[error("the audit is not whole: {0} flaw(s)")]
    Flawed(u64),
    #[error(
        "the audit is not held against the state: records that are missing from the end or were put behind it, and chains of \
         commands that there are not, go unseen; look again where the configuration and the state are"
    )]
    NotHeld,
}

/// What the state keeps of the ends, by the name of the commands.
type Ends = BTreeMap<String, SavedChain>;

pub(super) async fn audit(which: &CommandsArgument, arguments: AuditArguments) -> Exit {
    let AuditArguments { verify: _, files, after, json } = arguments;
    let mut verification = Verification::default();
    after.into_iter().for_each(|looked_at| verification.go_on_after(looked_at));
    let is_named = !files.is_empty();
    let (files, is_held) = match files.is_empty() {
        true => match configured(which, &mut verification).await {
            Ok(files) => (files, true),
            Err(exit) => return exit,
        },
        // The reason why the state is not available has been printed.
        false => match ends(which).await {
            Ok(ends) => {
                verification.expect(ends);
                (files, true)
            }
            Err(_) => (files, false),
        },
    };
    let read = tokio::task::spawn_blocking(move || {
        for file in &files {
            read(file, is_named, &mut verification)
                .map_err(|source| AuditError::Unreadable { path: file.clone(), source })?;
        }
        Ok::<_, AuditError>(verification)
    });
    let mut verification = match read.await {
        Ok(Ok(verification)) => verification,
        Ok(Err(err)) => return fail(Exit::Usage, &err),
        Err(err) => return fail(Exit::Bug, &err),
    };
    // What the daemon has written meanwhile is known to the state by now.
    let ends = match is_held {
        true => match ends(which).await {
            Ok(ends) => ends,
            Err(exit) => return exit,
        },
        false => Ends::new(),
    };
    verification.finish(ends);
    print(&if json { in_json(&verification) } else { in_words(&verification) });
    match verification.flaw_count() {
        0 if !verification.is_held_against_state() => fail(Exit::Unavailable, &AuditError::NotHeld),
        0 => Exit::Done,
        count => fail(Exit::Failed, &AuditError::Flawed(count)),
    }
}

/// What the state keeps now.
async fn ends(which: &CommandsArgument) -> Result<Ends, Exit> {
    let chains =
        JournalAccess::daemon_or_state(which, false).await?.audit_chains(which.commands.as_deref()).await?;
    Ok(chains.into_iter().map(|kept| (kept.commands, kept.chain)).collect())
}

/// The files that the configuration names, once `verification` knows where they must lead.
async fn configured(which: &CommandsArgument, verification: &mut Verification) -> Result<Vec<PathBuf>, Exit> {
    let config = which.config.load_without_secrets().map_err(|err| fail(Exit::Usage, &err))?;
    let mut ends = ends(which).await?;
    let mut files = Vec::new();
    ends.retain(|name, _| match config.commands.get(name).map(|commands| &commands.audit) {
        Some(AuditConfig::File(AuditFileConfig { path, .. })) => {
            match closed_audits(path) {
                Ok(closed) => files.extend(closed),
                Err(err) => note(&format!(
                    "the record of the closed files of {} cannot be read: {err}",
                    path.display()
                )),
            }
            files.push(path.clone());
            true
        }
        Some(AuditConfig::Sink(_)) => {
            note(&format!("`{name}` records decisions in a sink: give files with what it got"));
            false
        }
        None => false,
    });
    verification.expect(ends);
    if files.is_empty() { Err(fail(Exit::Usage, &AuditError::NoFile)) } else { Ok(files) }
}

/// A missing file from the configuration counts as empty: it was moved away, or no decision was made yet. A file from
/// the command line must exist.
fn read(path: &Path, is_named: bool, verification: &mut Verification) -> io::Result<()> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(err) if err.kind() == io::ErrorKind::NotFound && !is_named => return Ok(()),
        Err(err) => return Err(err),
    };
    let name = path.display().to_string();
    for (number, line) in (1..).zip(io::BufReader::new(file).split(b'\n')) {
        verification.read(&name, number, &String::from_utf8_lossy(&line?));
    }
    Ok(())
}

fn in_words(verification: &Verification) -> String {
    let mut text = String::new();
    for flaw in verification.flaws() {
        text.push_str(&format!("{}\n", printable(&flaw.to_string())));
    }
    for chain in verification.chains() {
        let after = chain.after.to_string();
        let (commands, after) = (printable(&chain.commands), printable(&after));
        let (first, last, records) = (chain.first_sequence, chain.last.sequence, chain.records);
        text.push_str(&format!(
            "{commands}: {records} record(s), from {first} to {last}; for later files alone: --after {after}\n"
        ));
        if let Some(by) = chain.removed_by {
            text.push_str(&format!(
                "{commands}: begins with record {first}: those before were removed because of their age or size, as record \
                 {by} says\n"
            ));
        }
    }
    for (count, what) in [
        (verification.fragments(), "line(s) that were cut short, as by a crash"),
        (
            verification.in_doubt(),
            "chain(s) whose last records a crash may have prevented: they are written with the next record",
        ),
    ] {
        if count > 0 {
            text.push_str(&format!("{count} {what}\n"));
        }
    }
    if text.is_empty() { "no decision is recorded\n".to_owned() } else { text }
}

fn in_json(verification: &Verification) -> String {
    let flaws: Vec<_> = verification.flaws().iter().map(ToString::to_string).collect();
    let chain = |chain: crate::command::audit::ChainReport| {
        json!({
            "commands": chain.commands, "records": chain.records, "first_sequence": chain.first_sequence,
            "removed_by": chain.removed_by,
            "last_sequence": chain.last.sequence, "hash": chain.last.hash, "after": chain.after.to_string(),
        })
    };
    let all = json!({
        "flaw_count": verification.flaw_count(),
        "flaws": flaws,
        "chains": verification.chains().map(chain).collect::<Vec<_>>(),
        "held_against_state": verification.is_held_against_state(),
        "fragments": verification.fragments(),
        "in_doubt": verification.in_doubt(),
    });
    format!("{}\n", printable_json(&all.to_string()))
}
