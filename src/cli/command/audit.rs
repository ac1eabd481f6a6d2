//! `oktabus command audit --verify`: whether an audit is whole.

use std::{
    fs, io,
    io::BufRead as _,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;

use super::{Which, reach::Reached};
use crate::{
    cli::{Exit, fail, note, print},
    command::audit::Verification,
    config::AuditConfig,
    telemetry::{printable, printable_json},
};

#[derive(Debug, Args)]
pub(super) struct AuditArguments {
    /// Look whether anything was changed, taken out or put in
    #[arg(long, required = true)]
    verify: bool,
    /// Files of one audit, the oldest first, such as those that were moved away, or what a sink got. Without any: the file that
    /// the configuration names, held against what the state keeps of its end
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, thiserror::Error)]
enum NoAudit {
    #[error("cannot read the audit {path}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("no commands record decisions in a file: give files with what the sink got")]
    NoFile,
    #[error("the audit is not whole: {0} flaw(s)")]
    Flawed(u64),
}

pub(super) async fn audit(which: &Which, arguments: AuditArguments) -> Exit {
    let AuditArguments { verify: _, files, json } = arguments;
    let mut verification = Verification::default();
    let files = if files.is_empty() {
        match expected(which, &mut verification).await {
            Ok(files) => files,
            Err(exit) => return exit,
        }
    } else {
        files
    };
    let read = tokio::task::spawn_blocking(move || {
        for file in &files {
            read(file, &mut verification)
                .map_err(|source| NoAudit::Unreadable { path: file.clone(), source })?;
        }
        verification.finish();
        Ok::<_, NoAudit>(verification)
    });
    let verification = match read.await {
        Ok(Ok(verification)) => verification,
        Ok(Err(err)) => return fail(Exit::Usage, &err),
        Err(err) => return fail(Exit::Bug, &err),
    };
    print(&if json { in_json(&verification) } else { in_words(&verification) });
    match verification.flaw_count() {
        0 => Exit::Done,
        count => fail(Exit::Failed, &NoAudit::Flawed(count)),
    }
}

/// The files that the configuration names, once `verification` knows where they must lead.
async fn expected(which: &Which, verification: &mut Verification) -> Result<Vec<PathBuf>, Exit> {
    let config = which.config.load_without_secrets().map_err(|err| fail(Exit::Usage, &err))?;
    let chains =
        Reached::daemon_or_state(which, false).await?.audit_chains(which.commands.as_deref()).await?;
    let mut files = Vec::new();
    for kept in &chains {
        match config.commands.get(&kept.commands).map(|commands| &commands.audit) {
            Some(AuditConfig::File(path)) => {
                verification.expect(&kept.commands, &kept.chain);
                files.push(path.clone());
            }
            Some(AuditConfig::Sink(_)) => {
                note(&format!(
                    "`{}` records decisions in a sink: give files with what it got",
                    kept.commands
                ));
            }
            None => {}
        }
    }
    files.dedup();
    if files.is_empty() { Err(fail(Exit::Usage, &NoAudit::NoFile)) } else { Ok(files) }
}

/// A file that is not there has nothing in it: it was moved away, or nothing was decided yet.
fn read(path: &Path, verification: &mut Verification) -> io::Result<()> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
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
        let (commands, last) = (printable(&chain.commands), &chain.last);
        let (first, records) = (chain.first_sequence, chain.records);
        text.push_str(&format!(
            "{commands}: {records} record(s), from {first} to {}, whose hash is {}\n",
            last.sequence, last.hash
        ));
    }
    for (count, what) in [
        (verification.unchained(), "record(s) from before there was a chain: nothing can be said of them"),
        (verification.fragments(), "line(s) that were cut short, as by a crash"),
        (
            verification.in_doubt(),
            "chain(s) whose last records a crash may have prevented: the next start writes them",
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
            "last_sequence": chain.last.sequence, "hash": chain.last.hash,
        })
    };
    let all = json!({
        "flaw_count": verification.flaw_count(),
        "flaws": flaws,
        "chains": verification.chains().map(chain).collect::<Vec<_>>(),
        "unchained": verification.unchained(),
        "fragments": verification.fragments(),
        "in_doubt": verification.in_doubt(),
    });
    format!("{}\n", printable_json(&all.to_string()))
}
