//! What is wrong with a configuration is told with file, path, reason and the nearest known key; exit code 64.

use std::{fs, os::unix::fs::PermissionsExt};

use super::TO_FILES;
use crate::support::daemon::Workplace;

const ORG: &str = "[orgs.acme]\ndomain = \"acme.okta.com\"\nauth = { token_file = \"{dir}/token\" }\n";

/// A route of this name beside commands that write into the same directory.
fn owned(route: &str) -> String {
    let named = format!("{{ sink = \"files\", name = \"{route}\" }}");
    let commands = "[commands.hr]\norg = \"acme\"\nallow = [\"user.get\"]\noutcomes = { sink = \"files\" }\naudit = { sink = \"files\" }\n";
    format!("{}{commands}", TO_FILES.replace("{ sink = \"files\" }", &named))
}

/// Commands of two orgs with these files for their audits, and a route and outcomes that are kept in files.
fn audited(first: &str, second: &str) -> String {
    let second_org = ORG.replace("acme", "beta");
    let commands = |name: &str, org: &str, file: &str| {
        format!(
            "[commands.{name}]\norg = \"{org}\"\nallow = [\"user.get\"]\noutcomes = {{ sink = \"files\" }}\n\
             audit = {{ file = \"{file}\" }}\n"
        )
    };
    format!("{TO_FILES}{second_org}{}{}", commands("hr", "acme", first), commands("it", "beta", second))
}

/// Files of audits that are somebody else's, and what is told.
fn audit_cases() -> impl Iterator<Item = (String, &'static str)> {
    let own = "{dir}/it.jsonl";
    [
        (audited("{dir}/a.jsonl", "{dir}/./x/../a.jsonl"), "has the audit of the commands `hr` already"),
        (audited("{dir}/state/audit/it.jsonl", "{dir}/state/audit/it.jsonl"), "commands.it.audit.file"),
        (
            audited("{dir}/archive/commands.it.outcomes-00000001-20260101T000000Z.jsonl", own),
            "would be taken for a file of the outcomes of the commands `it` (commands.it.outcomes)",
        ),
        (
            audited("{dir}/archive/log.files-00000001.jsonl", own),
            "would be taken for a file of the route `log/files`",
        ),
        (audited("{dir}/state/dead-letters/commands.hr.jsonl", own), "is among the files of the state"),
        (audited("{dir}/state/tally", own), "is among the files of the state"),
        (audited("{dir}/state/../state/witness.json", own), "is among the files of the state"),
    ]
    .into_iter()
}

async fn refusal(rest: &str) -> String {
    let workplace = Workplace::with_orgs(rest);
    let said = workplace.oktabus(&["check", "--offline"]).await;
    assert_eq!(said.code, Some(64), "{rest}\n{}\n{}", said.stdout, said.stderr);
    said.stderr
}

#[tokio::test]
async fn a_good_configuration_is_called_good() {
    let workplace = Workplace::with_orgs(&format!("{ORG}{TO_FILES}"));
    let said = workplace.oktabus(&["check", "--offline"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stdout.contains("1 org(s), 1 stream(s), 1 route(s), 1 sink(s)"), "{}", said.stdout);
}

/// What is refused of a bus of NATS, and what is told.
fn nats_cases() -> impl Iterator<Item = (String, &'static str)> {
    let bus = |server: &str, rest: &str| {
        format!("{TO_FILES}[buses.n]\nkind = \"nats\"\nservers = [\"{server}\"]\n{rest}\n")
    };
    let (near, far, token) =
        ("nats://127.0.0.1:4222", "nats://nats-1:4222", "auth = { token_file = \"{dir}/token\" }");
    [
        (bus(far, token), "`allow_plaintext_credentials = true`"),
        (bus("ws://nats-1", token), "write `wss://nats-1/`"),
        (
            bus("nats://me:secret@nats-1", ""),
            "buses.n.servers: `nats://***@nats-1` has a user or a secret in the address",
        ),
        (bus("http://nats-1", ""), "NATS has no scheme `http`"),
        (bus(near, "tls = { required = false }"), "buses.n.tls.required: a `tls` table makes TLS required"),
        (bus(near, "jetstream = { domain = \"a\", api_prefix = \"b\" }"), "exclude each other"),
        (bus(near, "inbox_prefix = \"_INBOX.>\""), "buses.n.inbox_prefix"),
    ]
    .into_iter()
}

#[tokio::test]
async fn mistakes_are_told_with_place_and_remedy() {
    let cases = [
        (TO_FILES.replace("start =", "strat ="), "streams.log.strat: unknown key; did you mean `start`?"),
        (TO_FILES.replace("kind = \"file\"", "kind = \"flie\""), "sinks.files.kind"),
        (TO_FILES.replace("\"-90d\"", "90"), "streams.log.start"),
        (TO_FILES.replace("\"-90d\"", "\"soon\""), "streams.log.start: `soon` is not \"now\""),
        (
            TO_FILES.replace("\"acme\"", "\"amce\""),
            "streams.log.org: there is no org `amce`; did you mean `acme`?",
        ),
        (
            TO_FILES.replace("sink = \"files\"", "sink = \"file\""),
            "there is no sink `file`; did you mean `files`?",
        ),
        (TO_FILES.to_owned() + "topic = \"x\"\n", "sinks.files.topic: a sink of kind file has no such key"),
        (
            TO_FILES.replace("{ sink = \"files\" }", "{ sink = \"files\" }, { sink = \"files\" }"),
            "two routes are called `log/files`",
        ),
        (
            TO_FILES.replace("poll_interval = \"200ms\"", "filter = 'published gt \"2026\"'"),
            "does not filter by `published`",
        ),
        (TO_FILES.replace("\"200ms\"", "\"often\""), "streams.log.poll_interval"),
        (
            owned("commands/hr/outcomes"),
            "would keep files of the same names, `commands.hr.outcomes…`, as the outcomes of the commands `hr`",
        ),
        (
            owned("commands/hr/audit"),
            "would keep files of the same names, `commands.hr.audit…`, as the audit of the commands `hr`",
        ),
        (
            owned("commands/hr"),
            "would keep files of the same names, `commands.hr…`, as the dead letters of the commands `hr`",
        ),
        (
            TO_FILES.to_owned() + "[sinks.idle]\nkind = \"stdout\"\n",
            "sinks.idle: no route leads to this sink",
        ),
        (
            TO_FILES.to_owned()
                + "[buses.k]\nkind = \"kafka\"\nbrokers = [\"a:1\"]\noptions = { \"sasl.password\" = \"x\" }\n",
            "this is a secret",
        ),
    ];
    for (rest, expected) in cases.into_iter().chain(nats_cases()).chain(audit_cases()) {
        let told = refusal(&format!("{ORG}{rest}")).await;
        assert!(told.contains(expected), "wanted: {expected}\ntold: {told}");
        assert!(told.contains("oktabus.toml:"), "no file in: {told}");
    }
}

#[tokio::test]
async fn secrets_are_checked_before_anything_runs() {
    let workplace = Workplace::with_orgs(&format!("{ORG}{TO_FILES}"));
    fs::set_permissions(workplace.path("token"), fs::Permissions::from_mode(0o644)).unwrap();
    let said = workplace.oktabus(&["run"]).await;
    assert_eq!(said.code, Some(64));
    assert!(said.stderr.contains("chmod o-rwx"), "{}", said.stderr);
    fs::remove_file(workplace.path("token")).unwrap();
    let said = workplace.oktabus(&["run"]).await;
    assert!(said.stderr.contains("orgs.acme.auth: cannot read the secret file"), "{}", said.stderr);
    let inline = ORG.replace("token_file = \"{dir}/token\"", "token = \"00hunter2\"");
    let told = refusal(&format!("{inline}{TO_FILES}")).await;
    assert!(told.contains("allow_inline_secrets") && !told.contains("hunter2"), "{told}");
}

#[tokio::test]
async fn a_missing_file_and_nonsense_are_told() {
    let workplace = Workplace::with_orgs("this is not TOML");
    let said = workplace.oktabus(&["run"]).await;
    assert_eq!(said.code, Some(64));
    assert!(said.stderr.contains("oktabus.toml"), "{}", said.stderr);
    fs::remove_file(workplace.path("oktabus.toml")).unwrap();
    let said = workplace.oktabus(&["run"]).await;
    assert!(said.stderr.contains("cannot read the configuration"), "{}", said.stderr);
}

#[tokio::test]
async fn fragments_and_environment_win_over_the_file() {
    let workplace = Workplace::with_orgs(&format!("{ORG}{TO_FILES}"));
    fs::create_dir(workplace.path("conf.d")).unwrap();
    fs::write(workplace.path("conf.d/10.toml"), "streams.log.start = \"nonsense\"\n").unwrap();
    let said = workplace.oktabus(&["check", "--offline"]).await;
    assert!(said.stderr.contains("conf.d/10.toml:1: streams.log.start"), "{}", said.stderr);
}
