//! Rings that come as messages of NATS.

use crate::support::{
    daemon::{TO_FILES, Workplace},
    nats::NatsServer,
    okta::Okta,
    tools::eventually,
};

#[tokio::test]
async fn a_message_rings_and_a_server_that_comes_back_is_listened_to_again() {
    let okta = Okta::start(&["--backlog", "3", "--rate", "0", "--rate-limit", "1000000"]).await;
    let mut nats = NatsServer::start_without_jetstream().await;
    let stream = TO_FILES.replace("\"200ms\"", "\"1h\"");
    let rest =
        format!("doorbell = {{ kind = \"nats\", subject = \"okta.ring.*\" }}\n{stream}\n{}", nats.section());
    let workplace = Workplace::new(&okta, &rest);
    let _daemon = workplace.start(&[]);
    workplace.route("log/files", |route| route.delivered == 3 && route.phase == "at_tail").await;
    for round in 0..2 {
        let uuid = format!("event-{round}");
        okta.add(&format!("{{\"uuid\":\"{uuid}\"}}")).await;
        let client = async_nats::connect(nats.url()).await.unwrap();
        eventually(&format!("{uuid}; the log:\n{}", workplace.log()), async || {
            // What is published before anybody listens is gone.
            client.publish("okta.ring.acme", "whatever".into()).await.unwrap();
            client.flush().await.unwrap();
            workplace.uuids("archive").contains(&uuid).then_some(())
        })
        .await;
        if round == 0 {
            nats.kill();
            eventually("the trouble to be told", async || {
                let told = workplace.get("/readyz").await.ok()?.1;
                (told.matches("doorbell acme:").count() == 1).then_some(())
            })
            .await;
            assert_eq!(workplace.get("/readyz").await.unwrap().0, 200, "it is no reason not to be ready");
            nats.restart().await;
        }
    }
}
