//! The words in which each mistake in a configuration is told: file, line, path, and what would be right.

use crate::support::daemon::Workplace;

const ORG: &str = "[orgs.acme]\ndomain = \"acme.okta.com\"\nauth = { token_file = \"{dir}/token\" }\n";
const STREAM: &str = "[streams.log]\norg = \"acme\"\nroutes = [{ sink = \"files\" }]\n";
const SINK: &str = "[sinks.files]\nkind = \"file\"\ndirectory = \"{dir}/archive\"\n";
/// The workplace writes eight lines before what a test has to say.
const FIRST_LINE: usize = 9;

/// All that `check --offline` says of this configuration, without the path of the file.
async fn told(configuration: &str) -> Vec<String> {
    let workplace = Workplace::with_orgs(configuration);
    let said = workplace.oktabus(&["check", "--offline"]).await;
    assert_eq!(said.code, Some(64), "{configuration}\n{}\n{}", said.stdout, said.stderr);
    let folder = format!("{}/", workplace.path("").display().to_string().trim_end_matches('/'));
    let lines: Vec<_> = said.stderr.lines().map(|line| line.trim().replace(&folder, "")).collect();
    assert_eq!(lines[0], "oktabus: the configuration is not usable:");
    lines[1..].to_vec()
}

/// `configuration` with `new` in place of `old`, and what must be told of it: `+N` is the Nth line of the configuration.
async fn expect(old: &str, new: &str, wanted: &[&str]) {
    let configuration = format!("{ORG}{STREAM}{SINK}");
    assert!(configuration.contains(old), "{old}");
    let told = told(&configuration.replacen(old, new, 1)).await;
    let line = |wanted: &str| match wanted.strip_prefix('+').and_then(|rest| rest.split_once(':')) {
        Some((number, rest)) => {
            format!("oktabus.toml:{}:{rest}", number.parse::<usize>().unwrap() + FIRST_LINE - 1)
        }
        None => wanted.to_owned(),
    };
    assert_eq!(told, wanted.iter().map(|wanted| line(wanted)).collect::<Vec<_>>(), "{new}");
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_told_with_what_fits() {
    let kinds = "`kafka`, `nats`, `file`, `stdout`";
    expect("\"file\"", "\"s3\"", &[&format!("+8: sinks.files.kind: `s3` is not one of {kinds}")]).await;
    expect("\"file\"", "3", &[&format!("+8: sinks.files.kind: is a number, and should be one of {kinds}")])
        .await;
    for (new, reason) in [
        (
            "{ sink = \"files\", format = \"xml\" }",
            "routes[0].format: `xml` is not one of `okta`, `ocsf`, `ecs`, `udm`",
        ),
        (
            "{ sink = \"files\", format = \"ocfs\" }",
            "routes[0].format: `ocfs` is not one of `okta`, `ocsf`, `ecs`, `udm`; did you mean `ocsf`?",
        ),
        ("\"files\"", "routes[0]: is text, and should be a table"),
        (
            "{ sink = \"files\", in_flight = \"much\" }",
            "routes[0].in_flight: `much` is not a size such as \"64 KiB\" or \"256 MiB\"",
        ),
    ] {
        expect("{ sink = \"files\" }", new, &[&format!("+6: streams.log.{reason}")]).await;
    }
    let start = "is not \"now\", a time ago such as \"-1h\", or a timestamp such as \"2026-01-31T00:00:00Z\"";
    for (new, reason) in [
        ("start = \"24h\"", format!("start: `24h` {start}; did you mean `-24h`?")),
        ("start = 24", "start: is a number, and should be text in quotes".to_owned()),
        (
            "poll_interval = 10",
            "poll_interval: is a number, and should be a duration such as \"10s\", \"15m\" or \"1h\", or two: { min = \"1s\", max = \"60s\" }"
                .to_owned(),
        ),
        (
            "page_size = 100000",
            "page_size: `100000` is not among the numbers that it takes: see docs/configuration.md"
                .to_owned(),
        ),
        ("page_size = \"many\"", "page_size: is text, and should be a whole number".to_owned()),
    ] {
        let with = format!("org = \"acme\"\n{new}");
        expect("org = \"acme\"", &with, &[&format!("+6: streams.log.{reason}")]).await;
    }
}

#[tokio::test]
async fn what_is_missing_and_what_nobody_knows_is_told_with_its_whole_path() {
    expect("org = \"acme\"\n", "", &["+4: streams.log.org: is missing"]).await;
    expect("kind = \"file\"\n", "", &["+7: sinks.files.kind: is missing"]).await;
    expect("{ sink = \"files\" }", "{ format = \"okta\" }", &["+6: streams.log.routes[0].sink: is missing"])
        .await;
    expect("domain =", "doman =", &["+2: orgs.acme.doman: unknown key; did you mean `domain`?"]).await;
    expect("[streams.log]", "[stream.log]", &["+4: stream: unknown key; did you mean `streams`?"]).await;
}

#[tokio::test]
async fn what_is_missing_altogether_is_missing_in_the_main_file() {
    let workplace = Workplace::with_orgs("");
    let text = format!("{ORG}{STREAM}{SINK}").replace("{dir}", &workplace.path("").display().to_string());
    std::fs::write(workplace.path("oktabus.toml"), text).unwrap();
    let said = workplace.oktabus(&["check", "--offline"]).await;
    let wanted =
        "oktabus.toml: state.path: is missing: say where the cursors are to be kept, on a disk that survives";
    assert!(said.stderr.contains(wanted), "{}", said.stderr);
}

#[tokio::test]
async fn a_key_with_dots_and_no_quotes_is_named() {
    let kafka = "[buses.kafka]\nkind = \"kafka\"\nbrokers = [\"a:1\"]\n";
    for (table, path) in [
        (
            "[buses.kafka.options]\nsecurity.protocol = \"ssl\"",
            "options.security: a key with dots stands in quotes: \"security.protocol\" = …",
        ),
        (
            "[buses.kafka.secret_options]\nsasl.password = { env = \"PATH\" }",
            "secret_options.sasl: a key with dots stands in quotes: \"sasl.password\" = …",
        ),
    ] {
        let with = format!("{kafka}{table}\n{ORG}");
        expect(ORG, &with, &[&format!("+5: buses.kafka.{path}")]).await;
    }
    let commands = "[commands.c]\norg = \"acme\"\noutcomes = { sink = \"files\" }\nallow = [\"*\"]\nlimits.user.delete = \"5/1m\"\n";
    let reason = "+5: commands.c.limits.user: a key with dots stands in quotes: \"user.delete\" = …";
    expect(ORG, &format!("{commands}{ORG}"), &[reason]).await;
}

#[tokio::test]
async fn what_follows_from_a_mistake_is_no_mistake_of_its_own() {
    let sink = "[sinks.k]\nkind = \"kafka\"\ntopic = \"x\"\n";
    let without_brokers = format!("[buses.kafka]\nkind = \"kafka\"\n{sink}{ORG}");
    let reason = "+1: buses.kafka.brokers: give at least one, for example [\"kafka-1:9092\"]";
    expect(ORG, &without_brokers, &[reason]).await;
    // Commands whose sink is broken, on a bus that is broken.
    let commands = "[commands.c]\norg = \"acme\"\noutcomes = { sink = \"k\" }\nallow = [\"*\"]\n";
    let with_commands = format!("[buses.kafka]\nkind = \"kafak\"\n{sink}{commands}{ORG}");
    let reason = "+2: buses.kafka.kind: `kafak` is not one of `kafka`, `nats`; did you mean `kafka`?";
    expect(ORG, &with_commands, &[reason]).await;
}

#[tokio::test]
async fn each_of_several_mistakes_is_told() {
    let two = format!(
        "[orgs.b]\ndomain = \"b.okta.com\"\n{}",
        ORG.replace("acme.okta.com", "https://acme.okta.com")
    );
    let wanted = [
        "+1: orgs.b.auth: is missing",
        "+4: orgs.acme.domain: `https://acme.okta.com` has a scheme or a path: a domain is like acme.okta.com",
    ];
    expect(ORG, &two, &wanted).await;
}

#[tokio::test]
async fn what_is_no_toml_is_told_by_its_place_and_never_shown() {
    let secret = "auth = { token = hunter2 }\n";
    let configuration = format!("{ORG}{STREAM}{SINK}{secret}");
    let told = told(&configuration).await;
    let place = format!("oktabus.toml:{}:18: this is no TOML: ", FIRST_LINE + 9);
    assert!(told.len() == 1 && told[0].starts_with(&place) && !told[0].contains("hunter2"), "{told:?}");
    // A number in place of a secret is not shown either.
    expect(
        "token_file = \"{dir}/token\"",
        "token = 4711",
        &["+3: orgs.acme.auth.token: is a number, and should be text in quotes"],
    )
    .await;
}

#[tokio::test]
async fn a_variable_is_named_and_text_in_it_may_look_like_a_number() {
    let workplace = Workplace::with_orgs(&format!("{ORG}{STREAM}{SINK}"));
    let check = |name: &'static str, value: &'static str| {
        let file = workplace.path("oktabus.toml");
        async move {
            let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_oktabus"));
            let command = command.args(["check", "--offline", "--config"]).arg(file).env(name, value);
            let ended = command.output().await.unwrap();
            (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
        }
    };
    let (code, said) = check("OKTABUS__STREAMS__LOG__PAGE_SIZE", "many").await;
    assert_eq!(code, Some(64));
    let wanted =
        "OKTABUS__STREAMS__LOG__PAGE_SIZE: streams.log.page_size: is text, and should be a whole number";
    assert!(said.contains(wanted), "{said}");
    for (name, value) in [
        ("OKTABUS__STREAMS__LOG__PAGE_SIZE", "100"),
        ("OKTABUS__ALLOW_INLINE_SECRETS", "true"),
        ("OKTABUS__ORGS__ACME__BUDGET__SHARE", "0.25"),
        ("OKTABUS__SINKS__FILES__DIRECTORY", "2026"),
        ("OKTABUS__SINKS__FILES__ROTATE__SIZE", "65536"),
    ] {
        let (code, said) = check(name, value).await;
        assert_eq!(code, Some(0), "{name}={value}: {said}");
    }
}
