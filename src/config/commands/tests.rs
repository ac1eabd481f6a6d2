//! Commands in the configuration: what is understood, and what is refused and how.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::*;
use crate::config::Config;

/// The example that the design of oktabus gives, with the rest that it needs.
const EXAMPLE: &str = r#"
[orgs.acme]
domain = "acme.okta.com"
auth = { token_file = "{dir}/token" }
[buses.nats]
kind = "nats"
servers = ["nats://nats-1:4222"]
[buses.kafka]
kind = "kafka"
brokers = ["kafka-1:9092"]
[sinks.events]
kind = "nats"
stream = "OKTA"
subject = "okta.{org}.{format}.{event_type}"
[commands.provisioning]
org = "acme"
intake = { kind = "nats", stream = "COMMANDS", subject = "okta.acme.commands.>" }
outcomes = { sink = "events", subject = "okta.acme.outcomes.{action}" }
allow = ["user.*", "group.add_user", "group.remove_user", "log.*"]
protect = { groups = ["Administrators"], users = ["breakglass@acme.com"] }
limits = { "user.deactivate" = "50/10m" }
"#;

const STATE: &str = "[state]\npath = \"{dir}/state\"\n";
const SECRET: &str = "0123456789abcdef0123456789abcdef\n";
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

/// With it said that nothing is signed, unless the example says who signs.
fn load(example: &str) -> Result<Config, String> {
    if example.contains("[commands.provisioning.signature]") {
        return load_as_written(example);
    }
    let said = "[commands.provisioning]\nsignature = { required = false }\n";
    load_as_written(&example.replace("[commands.provisioning]\n", said))
}

fn load_as_written(example: &str) -> Result<Config, String> {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in
        [("token", "00abc"), ("secret", SECRET), ("short", "short"), ("key.pem", PUBLIC_KEY)]
    {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let file = directory.path().join("oktabus.toml");
    let text = format!("{example}{STATE}").replace("{dir}", directory.path().to_str().unwrap());
    fs::write(&file, text).unwrap();
    Config::load(&file).map_err(|err| err.to_string())
}

fn commands(example: &str) -> CommandsConfig {
    load(example).unwrap().commands.remove("provisioning").unwrap()
}

#[test]
fn the_example_of_the_design_is_understood() {
    let config = load(EXAMPLE).unwrap();
    let commands = &config.commands["provisioning"];
    let Some(IntakeConfig::Nats { bus, stream, subject, durable }) = &commands.intake else {
        panic!("{:?}", commands.intake)
    };
    assert_eq!(
        (bus.name.as_str(), stream.as_str(), subject.as_str()),
        ("nats", "COMMANDS", "okta.acme.commands.>")
    );
    assert_eq!(durable, "oktabus-provisioning");
    let address = commands.outcomes.address.as_ref().unwrap();
    assert_eq!(address.to_string(), "okta.acme.outcomes.{action}");
    assert_eq!(commands.limits[0].to_string(), "50 user.deactivate in 10m");
    assert_eq!((commands.list_max, commands.parallel, commands.attempts_max), (100, 8, 10));
    assert_eq!(commands.journal_max, 1_000_000);
    assert!(commands.allows(Action::UserDelete) && !commands.allows(Action::GroupDelete));
    let AuditConfig::File(audit) = &commands.audit else { panic!("{:?}", commands.audit) };
    assert!(audit.path.ends_with("state/audit/provisioning.jsonl"), "{audit:?}");
    let scopes: Vec<_> = config.orgs["acme"].scopes.iter().map(|scope| scope.name()).collect();
    assert_eq!(scopes, ["okta.logs.read", "okta.users.manage", "okta.groups.manage"]);
}

#[test]
fn all_that_can_be_said_is_understood_and_told_in_words() {
    let full = EXAMPLE
        .replace(
            "{ kind = \"nats\", stream = \"COMMANDS\", subject = \"okta.acme.commands.>\" }",
            "{ kind = \"kafka\", topic = \"orders\", group = \"okta\" }",
        )
        .replace("[commands.provisioning]", "[sinks.trail]\nkind = \"stdout\"\n[commands.provisioning]")
        + r#"
list_max = 20
reply_to = ["okta-replies.acme.>"]
reveal = { allowed = true, private = ["okta-replies.acme.private.*"] }
audit = { sink = "trail" }
parallel = 4
attempts_max = 3
keep = "60d"
[commands.provisioning.signature]
required = true
max_age = "2h"
keys.hr = { algorithm = "ed25519", public_key_file = "{dir}/key.pem" }
keys.portal = { algorithm = "hmac-sha256", secret_file = "{dir}/secret", allow = ["user.get", "log.*"] }
"#;
    let words = commands(&full).in_words();
    assert_eq!(
        words,
        [
            "reads the topic orders of kafka as the group okta",
            "publishes outcomes to the sink events at okta.acme.outcomes.{action}, and records decisions in the sink trail",
            "allows user.*, group.add_user, group.remove_user, log.*: 29 action(s)",
            "protects the user breakglass@acme.com, the group Administrators with its members",
            "stops at 50 user.deactivate in 10m",
            "replies to okta-replies.acme.> where a command asks",
            "gives secrets to okta-replies.acme.private.* where a command asks",
            "obeys only what is signed with hr (ed25519), portal (hmac-sha256, for user.get, log.*), at most 2h ago",
        ]
    );
}

#[test]
fn a_queue_that_nobody_signs_for_is_obeyed_only_where_that_is_written_and_told() {
    let told = load_as_written(EXAMPLE).unwrap_err();
    assert!(told.contains("commands.provisioning.signature: missing"), "{told}");
    assert!(told.contains("`signature = { required = false }`"), "{told}");
    let warned = |example: &str| {
        let config = load(example).unwrap();
        let at =
            |warning: &crate::config::Problem| warning.path.starts_with("commands.provisioning.signature");
        config.warnings().into_iter().filter(at).map(|warning| warning.reason).collect::<Vec<_>>()
    };
    assert!(
        warned(EXAMPLE)[0].contains("anyone who can write to the queue is obeyed"),
        "{:?}",
        warned(EXAMPLE)
    );
    let signed = |more: &str| {
        let key = "keys.hr = { algorithm = \"ed25519\", public_key_file = \"{dir}/key.pem\" }";
        warned(&format!("{EXAMPLE}[commands.provisioning.signature]\n{more}{key}\n"))
    };
    assert_eq!(signed(""), Vec::<String>::new());
    assert!(signed("required = false\n")[0].contains("anyone who can write"));
    assert!(signed("accept_v1 = true\n")[0].contains("`accept_v1`"));
    // The command line of this machine needs nothing.
    let intake = "intake = { kind = \"nats\", stream = \"COMMANDS\", subject = \"okta.acme.commands.>\" }\n";
    load_as_written(&EXAMPLE.replace(intake, "")).unwrap();
}

#[test]
fn one_org_has_one_section_and_two_do_not_read_under_one_name() {
    let second = |intake: &str, org: &str| {
        let domain = if org == "other" { "other.okta.com" } else { "acme.okta.com" };
        let other =
            format!("[orgs.{org}]\ndomain = \"{domain}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\n");
        let orgs = if org == "acme" { "" } else { other.as_str() };
        format!(
            "{EXAMPLE}{orgs}[commands.second]\norg = \"{org}\"\nallow = [\"user.*\"]\nintake = {intake}\n\
             signature = {{ required = false }}\n\
             outcomes = {{ sink = \"events\", subject = \"okta.second\" }}\n"
        )
    };
    let same = r#"{ kind = "nats", stream = "COMMANDS", subject = "okta.*.commands.user.*" }"#;
    let kafka = r#"{ kind = "kafka", topic = "okta.acme.commands" }"#;
    for (intake, org) in [(same, "acme"), (kafka, "acme"), (kafka, "again")] {
        let told = load(&second(intake, org)).unwrap_err();
        let expected = "commands.second.org: `provisioning` is for https://acme.okta.com/ too";
        assert!(told.contains(expected) && told.contains("make one of them"), "{told}");
    }
    let same_consumer =
        r#"{ kind = "nats", stream = "COMMANDS", subject = "x", durable = "oktabus-provisioning" }"#;
    let told = load(&second(same_consumer, "other")).unwrap_err();
    assert!(
        told.contains("commands.second.intake: `provisioning` reads as `oktabus-provisioning` already"),
        "{told}"
    );
    // What two orgs are to do may stand in one queue.
    load(&second(same, "other")).unwrap();
}

#[test]
fn secrets_may_be_shown_by_hand_where_there_is_no_queue() {
    let intake = "intake = { kind = \"nats\", stream = \"COMMANDS\", subject = \"okta.acme.commands.>\" }\n";
    let by_hand = EXAMPLE.replace(intake, "") + "reveal = { allowed = true }\n";
    assert!(
        commands(&by_hand)
            .in_words()
            .contains(&"shows secrets on the command line where a command asks".to_owned())
    );
}

#[test]
fn what_contradicts_itself_is_refused() {
    let and = |more: &str| format!("{EXAMPLE}{more}\n");
    let private = |reply_to: &str, private: &str| {
        and(&format!("reply_to = [\"{reply_to}\"]\nreveal = {{ allowed = true, private = [\"{private}\"] }}"))
    };
    let limited = |limit: &str, more: &str| EXAMPLE.replace("\"user.deactivate\" = \"50/10m\"", limit) + more;
    let second = |intake: &str, outcomes: &str| {
        and(&format!(
            "[commands.second]\norg = \"acme\"\nallow = [\"user.*\"]\n{intake}outcomes = {outcomes}"
        ))
    };
    let events = "{ sink = \"events\", subject = \"okta.acme.commands.told\" }";
    let cases = [
        (private("replies.hr", "replies.>"), "reveal.private[0]: `replies.>` is not within `reply_to`"),
        (
            private("okta.*.replies.>", "okta.acme.replies.x"),
            "reveal.private[0]: `okta.acme.replies.x` is among `okta.*.*.>`",
        ),
        (private("okta.acme.outcomes.>", "okta.acme.outcomes.user.*"), "which is not private then"),
        (
            private("COMMANDS.>", "COMMANDS.x").replace("okta.acme.commands.>", "COMMANDS.x"),
            "which the intake of",
        ),
        (
            limited("\"group.add_user\" = \"50/10m\"", "list_max = 51\n"),
            "list_max: 51 is more than a limit lets through, 50",
        ),
        (limited("\"*\" = \"5/10m\"", "list_max = 6\n"), "list_max: 6 is more than a limit lets through, 5"),
        (
            and("reply_to = [\"x\", \"okta.*.commands.*\"]"),
            "reply_to[1]: a command could ask for its outcome at",
        ),
        (
            second("", events),
            "commands.second.outcomes: the commands `provisioning` would read this as commands",
        ),
        (
            and("[streams.log]\norg = \"acme\"\nroutes = [{ sink = \"events\" }]")
                .replace("commands.>", "okta.>"),
            "streams.log.routes: the commands `provisioning` would read what the route `log/events` delivers",
        ),
    ];
    for (example, expected) in cases {
        let told = load(&example).expect_err(expected);
        assert!(told.contains(expected), "{expected}\n{told}");
    }
}

#[test]
fn what_only_looks_like_a_contradiction_is_not_refused() {
    let and = |more: &str| format!("{EXAMPLE}{more}\n");
    let list_max = |example: &str| commands(example).list_max;
    assert_eq!(list_max(&and("list_max = 200")), 200, "a deactivation has no lists");
    assert_eq!(
        list_max(&EXAMPLE.replace("\"user.deactivate\" =", "\"group.*\" =")),
        50,
        "as far as the limit lets it"
    );
    let named = "reply_to = [\"okta.acme.replies.>\"]\n\
                 reveal = { allowed = true, private = [\"okta.acme.replies.x\"], stored_in = [\"OKTA\"] }";
    assert_eq!(commands(&and(named)).reveal.stored_in, ["OKTA"]);
    load(&and("[streams.log]\norg = \"acme\"\nroutes = [{ sink = \"events\" }]")).unwrap();
}

#[test]
fn mistakes_are_told_with_place_and_remedy() {
    let with = |from: &str, to: &str| {
        assert!(EXAMPLE.contains(from), "{from}");
        EXAMPLE.replace(from, to)
    };
    let and = |more: &str| format!("{EXAMPLE}{more}\n");
    let key = |key: &str| and(&format!("[commands.provisioning.signature]\nkeys.hr = {{ {key} }}"));
    let cases = [
        (
            with("org = \"acme\"", "org = \"amce\""),
            "commands.provisioning.org: there is no org `amce`; did you mean",
        ),
        (
            with("sink = \"events\"", "sink = \"event\""),
            "outcomes.sink: there is no sink `event`; did you mean `events`?",
        ),
        (
            with(", subject = \"okta.acme.outcomes.{action}\"", ""),
            "outcomes.subject: the subject of the sink `events` depends on",
        ),
        (with("subject = \"okta.acme.outcomes", "topic = \"okta.acme.outcomes"), "has no topics"),
        (with("{action}", "{user}"), "`{user}` is not a field"),
        (
            with("stream = \"COMMANDS\"", "topic = \"x\""),
            "intake.topic: an intake of kind nats has no such key",
        ),
        (with(", subject = \"okta.acme.commands.>\" }", " }"), "intake.subject: say which subjects"),
        (with("okta.acme.commands.>", "a b"), "is not a subject"),
        (with("stream = \"COMMANDS\"", "stream = \"A.B\""), "is not the name of a stream"),
        (with("\"user.*\"", "\"usr.*\""), "allow[0]: `usr.*` is no action"),
        (with("\"group.add_user\"", "\"group.add_usr\""), "did you mean `group.add_user`?"),
        (
            with("[\"user.*\", \"group.add_user\", \"group.remove_user\", \"log.*\"]", "[]"),
            "nothing is allowed",
        ),
        (with("50/10m", "50 per 10m"), "is not a limit such as"),
        (with("50/10m", "0/10m"), "is not a limit such as"),
        (
            with("\"user.deactivate\" =", "\"group.delete\" ="),
            "none of the actions that `group.delete` is about",
        ),
        (with("breakglass@acme.com", ""), "protect.users: a name is empty"),
        (
            with("groups = [\"Administrators\"]", "apps = [\"Payroll\"]"),
            "protect.apps: none of the actions that are about apps are allowed",
        ),
        (
            with(
                "\"COMMANDS\", subject = \"okta.acme.commands.>",
                "\"OKTA\", subject = \"okta.*.outcomes.user.*",
            ),
            "commands.provisioning.outcomes: the intake would read this as commands",
        ),
        (
            with("sink = \"events\", subject = \"okta.acme.outcomes.{action}\"", "sink = \"siem\"")
                .replace(
                    "{ kind = \"nats\", stream = \"COMMANDS\", subject = \"okta.acme.commands.>\" }",
                    "{ kind = \"kafka\", topic = \"orders\" }",
                )
                .replace(
                    "[commands.provisioning]",
                    "[sinks.siem]\nkind = \"kafka\"\ntopic = \"orders\"\n[commands.provisioning]",
                ),
            "outcomes: the intake would read this as commands",
        ),
        (with("\"user.*\"", "\"users.*\""), "did you mean `user.*`?"),
        (
            with("kind = \"nats\", stream", "kind = \"rabbit\", stream"),
            "intake.kind: `rabbit` is not one of `kafka`, `nats`",
        ),
        (
            with(
                "{ kind = \"nats\", stream = \"COMMANDS\", subject = \"okta.acme.commands.>\" }",
                "{ kind = \"kafka\", topic = \"a b\" }",
            ),
            "intake.topic: `a b` is not a topic",
        ),
        (and("audit = \"file\""), "commands.provisioning.audit: is text, and should be a table"),
        (key("algorithm = \"rsa\""), "keys.hr.algorithm: `rsa` is not one of `ed25519`, `hmac-sha256`"),
        (and("reveal = { allowed = true }"), "reveal.private: say which addresses are private"),
        (and("reply_to = [\"a.>.b\"]"), "reply_to[0]: `a.>.b` is not a pattern"),
        (and("audit = {}"), "give `file`, or `sink`"),
        (and("list_max = 0"), "list_max: must be above zero"),
        (and("parallel = 1000"), "parallel: at most 256"),
        (and("keep = \"5m\""), "keep: must be 1h or more"),
        (and("journal_max = 500"), "journal_max: must be 10000 or more"),
        (and("lists_max = 5"), "unknown key; did you mean `list_max`?"),
        (key("algorithm = \"ed25519\""), "keys.hr.public_key: give `public_key_file`"),
        (key("algorithm = \"ed25519\", public_key = \"AAAA\""), "is not a public key of Ed25519"),
        (key("algorithm = \"ed25519\", secret_file = \"x\""), "has a public key"),
        (key("algorithm = \"hmac-sha256\""), "keys.hr.secret: missing"),
        (key("algorithm = \"hmac-sha256\", secret_file = \"{dir}/short\""), "has less than 32 bytes"),
        (
            key("algorithm = \"hmac-sha256\", secret = \"0123456789abcdef0123456789abcdef\""),
            "a secret in the configuration itself",
        ),
        (and("[commands.provisioning.signature]\nkeys = {}"), "there is no key"),
        (and("[commands.provisioning.signature]\nmax_age = \"1h\""), "or write `required = false`"),
        (
            key("algorithm = \"ed25519\", public_key_file = \"{dir}/key.pem\", allow = [\"app.*\"]"),
            "signature.keys.hr.allow[0]: nothing of `app.*` is among `allow` of the commands",
        ),
        (
            key("algorithm = \"ed25519\", public_key_file = \"{dir}/key.pem\", allow = []"),
            "the key may ask for nothing",
        ),
        (
            key("algorithm = \"ed25519\", public_key_file = \"{dir}/key.pem\"") + "max_age = \"30d\"\n",
            "max_age: must be above zero, and a minute or more below `keep`",
        ),
    ];
    for (example, expected) in cases {
        let told = load(&example).expect_err(expected);
        assert!(told.contains(expected), "{expected}\n{told}");
    }
}

#[test]
fn an_approval_needs_two_keys_and_somebody_who_may_give_it() {
    let signed = |approve: &str, hr: &str, portal: &str| {
        let keys = format!(
            "keys.hr = {{ algorithm = \"ed25519\", public_key_file = \"{{dir}}/key.pem\"{hr} }}\n\
             keys.portal = {{ algorithm = \"hmac-sha256\", secret_file = \"{{dir}}/secret\"{portal} }}\n"
        );
        format!("{EXAMPLE}{approve}\n[commands.provisioning.signature]\n{keys}")
    };
    let approve = "approve = [\"user.delete\"]";
    let (looks, approves) = (", allow = [\"user.get\"]", ", approve = [\"user.delete\"]");
    let both = format!("{looks}{approves}");
    let good = commands(&signed(approve, "", &both));
    assert!(good.approval.covers(Action::UserDelete) && !good.approval.covers(Action::UserDeactivate));
    assert_eq!(good.approval.within, Duration::from_secs(3_600));
    let words = good.in_words().join("\n");
    assert!(words.contains("has user.delete approved by a second key within 1h"), "{words}");
    assert!(words.contains("portal (hmac-sha256, for user.get, approves user.delete)"), "{words}");
    let within = |text: &str| format!("{approve}\napprove_within = \"{text}\"");
    for (example, told) in [
        (signed(approve, "", ""), "`hr` may ask for `user.delete`, and no other key may approve that"),
        // It may ask too, and nobody could approve that.
        (signed(approve, "", approves), "`portal` may ask for `user.delete`, and no other key"),
        (signed(approve, approves, ""), "`hr` may ask for `user.delete`, and no other key"),
        (signed("", "", approves), "keys.portal.approve: nothing of `user.delete` is among `approve`"),
        (signed("approve = [\"group.delete\"]", "", ""), "nothing of `group.delete` is among `allow`"),
        (signed("approve_within = \"1h\"", "", ""), "approve_within: does nothing without `approve`"),
        (signed(&within("31d"), "", &both), "approve_within: must be above zero and below `keep`"),
        (signed(approve, "", ", approve = [\"user.delte\"]"), "did you mean `user.delete`?"),
        (
            signed(approve, "", &both).replace(".signature]\n", ".signature]\nrequired = false\n"),
            "approve: needs an intake and `signature.required = true` with two keys or more",
        ),
        (format!("{EXAMPLE}{approve}\n"), "approve: needs an intake and `signature.required = true`"),
    ] {
        let problem = load(&example).unwrap_err();
        assert!(problem.contains(told), "{told}: {problem}");
    }
}
