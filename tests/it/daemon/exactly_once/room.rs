//! A NATS server that runs out of room while it stores batches, and daemons that are killed meanwhile.

use async_nats::jetstream::stream::Config;

use super::{STREAM, assert_each_once, in_jetstream};
use crate::support::{daemon::Workplace, nats::NatsServer, okta::Okta, tools::eventually};

const FILLER: &str = "FILLER";

/// Takes up room, or gives back what it takes beyond so many bytes.
async fn fill(server: &NatsServer, bytes: usize) {
    const MESSAGE_BYTES: usize = 100_000;
    let jetstream = server.jetstream().await;
    let _ = jetstream.delete_stream(FILLER).await;
    let config = Config { name: FILLER.to_owned(), subjects: vec!["filler".to_owned()], ..Config::default() };
    jetstream.create_stream(config).await.unwrap();
    for _ in 0..bytes / MESSAGE_BYTES {
        jetstream.publish("filler", vec![0; MESSAGE_BYTES].into()).await.unwrap().await.unwrap();
    }
}

#[tokio::test]
async fn events_stored_without_their_checkpoint_are_not_there_twice() {
    let okta = Okta::with_backlog(2_500).await;
    let nats = NatsServer::start_with_jetstream("max_file_store: 12MB").await;
    let configuration = nats.configuration("{ sink = \"nats\" }") + "delivery = \"exactly_once\"\n";
    let workplace = Workplace::new(&okta, &configuration);
    let mut stored = 0;
    for taken in [11_400_000, 10_800_000] {
        fill(&nats, taken).await;
        let daemon = workplace.start(&[]);
        // A batch has begun to be stored, and nobody is told what became of it.
        let has_more = async || {
            nats.jetstream().await.get_stream(STREAM).await.ok()?;
            let has = in_jetstream(&nats).await.len();
            (has > stored).then_some(has)
        };
        stored = eventually("a part of a batch to be stored", has_more).await;
        daemon.kill().await;
    }
    let shown = workplace.oktabus(&["state", "show", "--json"]).await.stdout;
    assert!(shown.contains("\"delivered\":0"), "batches were committed as a whole: {shown}");
    fill(&nats, 0).await;
    workplace.catch_up().await;
    assert_each_once("jetstream", &okta.uuids().await, &in_jetstream(&nats).await);
    assert!(workplace.log().contains("has stored a part of a batch"), "{}", workplace.log());
}
