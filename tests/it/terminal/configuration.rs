//! Configurations for containers: variables in texts, lists from the environment, what is set and where, the schema.

use std::fs;

use serde_json::Value;

use crate::support::{daemon::Workplace, judges::messages::messages_judge};

const ORG: &str = "[orgs.acme]\ndomain = \"${OKTA_DOMAIN}\"\nauth = { token_file = \"{dir}/token\" }\n";
const STREAM: &str = r#"
[streams.log]
org = "acme"
page_size = "${PAGES:-500}"
routes = [{ sink = "siem", event_types = ["user.${WHAT:-*}"] }]
[buses.kafka]
kind = "kafka"
brokers = ["${BROKER}:9092"]
[sinks.siem]
kind = "kafka"
topic = "okta.$${org}"
"#;
const VARIABLES: [(&str, &str); 2] = [("OKTA_DOMAIN", "acme.okta.com"), ("BROKER", "kafka-1")];

async fn shown(workplace: &Workplace, environment: &[(&str, &str)]) -> Vec<Value> {
    let said = workplace.oktabus_with(&["config", "show", "--json"], environment).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn setting<'a>(settings: &'a [Value], path: &str) -> (&'a Value, &'a str) {
    let found = settings.iter().find(|setting| setting["path"] == path);
    let found = found.unwrap_or_else(|| panic!("no {path} in {settings:#?}"));
    (&found["value"], found["origin"].as_str().unwrap())
}

#[tokio::test]
async fn variables_are_replaced_inside_texts_and_each_setting_has_its_place() {
    let workplace = Workplace::with_orgs(&format!("{ORG}{STREAM}"));
    let settings = shown(&workplace, &VARIABLES).await;
    let file = workplace.path("oktabus.toml").display().to_string();
    let text = fs::read_to_string(&file).unwrap();
    let line = |start: &str| text.lines().position(|line| line.starts_with(start)).unwrap() + 1;
    let at = |start: &str| format!("{file}:{}", line(start));
    assert_eq!(setting(&settings, "orgs.acme.domain"), (&"acme.okta.com".into(), at("domain").as_str()));
    assert_eq!(setting(&settings, "streams.log.page_size").0, "500");
    assert_eq!(setting(&settings, "streams.log.routes[0].event_types").0, &serde_json::json!(["user.*"]));
    assert_eq!(setting(&settings, "sinks.siem.topic").0, "okta.${org}");
    assert_eq!(setting(&settings, "buses.kafka.brokers").0, &serde_json::json!(["kafka-1:9092"]));
    let people = workplace.oktabus_with(&["config", "show"], &VARIABLES).await.stdout;
    assert!(
        people.contains("orgs.acme.domain = \"acme.okta.com\"")
            && people.contains(&format!("# {}", at("domain")))
    );
}

#[tokio::test]
async fn a_variable_that_is_not_set_is_named_with_its_place() {
    let workplace = Workplace::with_orgs(&format!("{ORG}{STREAM}"));
    let said = workplace.oktabus_with(&["check", "--offline"], &VARIABLES[..1]).await;
    assert_eq!(said.code, Some(64));
    for told in ["oktabus.toml:", "buses.kafka.brokers[0]", "the environment variable BROKER is not set"] {
        assert!(said.stderr.contains(told), "{told}: {}", said.stderr);
    }
    let json = workplace.oktabus_with(&["check", "--offline", "--json"], &VARIABLES[..1]).await;
    let row: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&row["what"], &row["verdict"]), (&"buses.kafka.brokers[0]".into(), &"bad".into()));
}

#[tokio::test]
async fn what_is_in_a_variable_is_a_text_and_no_configuration() {
    let workplace = Workplace::with_orgs(&format!("{ORG}{STREAM}"));
    let odd = "x\"]\n[sinks.evil]\nkind = \"stdout\"\n#";
    let settings = shown(&workplace, &[VARIABLES[0], ("BROKER", odd)]).await;
    assert!(settings.iter().all(|setting| !setting["path"].as_str().unwrap().contains("evil")));
    assert_eq!(setting(&settings, "buses.kafka.brokers").0[0], format!("{odd}:9092"));
    // A secret is no more allowed inline than without a variable, and is not shown.
    let inline = ORG.replace("token_file = \"{dir}/token\"", "token = \"${TOKEN}\"");
    let workplace = Workplace::with_orgs(&format!("{inline}{STREAM}"));
    let variables = [VARIABLES[0], VARIABLES[1], ("TOKEN", "00hunter2")];
    let said = workplace.oktabus_with(&["check", "--offline"], &variables).await;
    assert!(said.code == Some(64) && said.stderr.contains("allow_inline_secrets"), "{}", said.stderr);
    assert!(!said.stderr.contains("hunter2"), "{}", said.stderr);
    let allowed = [&variables[..], &[("OKTABUS__ALLOW_INLINE_SECRETS", "true")]].concat();
    let settings = shown(&workplace, &allowed).await;
    assert_eq!(setting(&settings, "orgs.acme.auth.token").0, "[redacted]");
    assert_eq!(setting(&settings, "allow_inline_secrets").1, "OKTABUS__ALLOW_INLINE_SECRETS");
}

#[tokio::test]
async fn a_list_comes_from_the_environment_with_commas_or_as_json() {
    let workplace = Workplace::with_orgs(&format!("{ORG}{STREAM}"));
    for brokers in ["a:1, b:2", r#"["a:1","b:2"]"#] {
        let routes = r#"[{"sink":"siem"},{"sink":"siem","name":"other","format":"ocsf"}]"#;
        let variables = [
            VARIABLES[0],
            VARIABLES[1],
            ("OKTABUS__BUSES__KAFKA__BROKERS", brokers),
            ("OKTABUS__STREAMS__LOG__ROUTES", routes),
        ];
        let said = workplace.oktabus_with(&["check", "--offline"], &variables).await;
        assert_eq!(said.code, Some(0), "{brokers}: {}", said.stderr);
        assert!(said.stdout.contains("2 route(s)"), "{}", said.stdout);
        let settings = shown(&workplace, &variables).await;
        assert_eq!(setting(&settings, "streams.log.routes[1].format").0, "ocsf");
        assert_eq!(setting(&settings, "buses.kafka.brokers").1, "OKTABUS__BUSES__KAFKA__BROKERS");
    }
    let wrong = [VARIABLES[0], VARIABLES[1], ("OKTABUS__STREAMS__LOG__ROUTES", r#"[{"sink":"none"}]"#)];
    let said = workplace.oktabus_with(&["check", "--offline"], &wrong).await;
    assert!(
        said.code == Some(64) && said.stderr.contains("OKTABUS__STREAMS__LOG__ROUTES"),
        "{}",
        said.stderr
    );
}

/// What is in the repository as TOML, as JSON on a line each.
fn as_json(texts: impl IntoIterator<Item = String>) -> String {
    let line = |text: String| {
        let value: Value = toml::from_str(&text).unwrap_or_else(|err| panic!("{err}\n{text}"));
        format!("{value}\n")
    };
    texts.into_iter().map(line).collect()
}

#[tokio::test]
async fn the_schema_takes_the_shipped_configurations_and_refuses_mistakes() {
    let workplace = Workplace::with_orgs("");
    let schema = tokio::process::Command::new(env!("CARGO_BIN_EXE_oktabus"))
        .args(["config", "schema"])
        .output()
        .await
        .unwrap();
    assert!(schema.status.success());
    let path = workplace.path("schema.json");
    fs::write(&path, &schema.stdout).unwrap();
    let schema: Value = serde_json::from_slice(&schema.stdout).unwrap();
    let described = &schema["properties"]["state"]["properties"]["path"]["description"];
    assert!(described.as_str().unwrap().contains("cursors"), "{described}");

    let path = path.display().to_string();
    let shipped = ["config/oktabus.toml", "config/demo.toml"].map(|file| fs::read_to_string(file).unwrap());
    let pages = [
        "README.md",
        "docs/configuration.md",
        "docs/commands.md",
        "docs/exactly-once.md",
        "docs/searches.md",
        "docs/okta.md",
    ];
    let pages = pages.into_iter().flat_map(crate::documentation::toml_blocks);
    let lines = as_json(shipped.into_iter().chain(pages).chain([STREAM.to_owned()]));
    messages_judge(&["schema", &path], &lines).await;

    let example = fs::read_to_string("config/oktabus.toml").unwrap();
    let mistakes = [
        ("domain = ", "domian = "),
        ("kind = \"file\"", "kind = \"flie\""),
        ("routes = [{ sink = \"archive\" }]", "routes = \"archive\""),
        ("[state]", "[state]\nwitnes = \"x\""),
    ];
    let mistaken = mistakes.map(|(right, wrong)| {
        assert!(example.contains(right), "{right}");
        example.replacen(right, wrong, 1)
    });
    messages_judge(&["refuses", &path], &as_json(mistaken)).await;
}
