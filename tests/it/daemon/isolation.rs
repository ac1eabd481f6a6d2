//! One org, route or sink that is broken delays no other.

use serde_json::json;

use crate::support::{daemon::Workplace, okta::Okta, tools::free_port};

#[tokio::test]
async fn a_broken_org_delays_no_other() {
    let (good, bad) = (Okta::with_backlog(2_500).await, Okta::with_backlog(2_500).await);
    bad.arm(json!({"kind": "status", "status": 403})).await;
    let org = |name: &str, okta: &Okta| {
        format!(
            "[orgs.{name}]\nurl = \"{}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\n\
             [streams.{name}]\norg = \"{name}\"\nstart = \"-90d\"\nroutes = [{{ sink = \"{name}\" }}]\n\
             [sinks.{name}]\nkind = \"file\"\ndirectory = \"{{dir}}/{name}\"\n",
            okta.url()
        )
    };
    let workplace = Workplace::with_orgs(&(org("good", &good) + &org("bad", &bad)));
    let _daemon = workplace.start(&[]);
    workplace.route("good/good", |route| route.delivered == 2_500 && route.phase == "at_tail").await;
    let bad = workplace.route("bad/bad", |route| route.okta_trouble.is_some()).await;
    assert_eq!(bad.delivered, 0);
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn a_sink_that_is_down_delays_no_other_route_and_catches_up_alone() {
    let okta = Okta::with_backlog(2_500).await;
    let config = format!(
        r#"
[streams.log]
org = "acme"
start = "-90d"
poll_interval = "200ms"
routes = [{{ sink = "files" }}, {{ sink = "nobody" }}]
[buses.nats]
kind = "nats"
servers = ["nats://127.0.0.1:{}"]
[sinks.files]
kind = "file"
directory = "{{dir}}/archive"
[sinks.nobody]
kind = "nats"
stream = "OKTA"
"#,
        free_port()
    );
    let workplace = Workplace::new(&okta, &config);
    let _daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.delivered == 2_500 && route.sink_trouble.is_none()).await;
    let nobody = workplace.route("log/nobody", |route| route.sink_trouble.is_some()).await;
    assert_eq!(nobody.delivered, 0);
    let (status, reasons) = workplace.get("/readyz").await.unwrap();
    assert_eq!(status, 503);
    assert!(reasons.contains("log/nobody") && !reasons.contains("log/files"), "{reasons}");
}
