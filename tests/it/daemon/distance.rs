//! A bus that is far away: events do not wait for each other's answers.

use std::time::{Duration, Instant};

use async_nats::jetstream::stream::Config;

use crate::support::{daemon::Workplace, nats::NatsServer, okta::Okta, slow_line::SlowLine};

const EVENTS: usize = 3_000;
/// One answer takes twice as long.
const DELAY: Duration = Duration::from_millis(25);

#[tokio::test]
async fn no_event_waits_for_the_answer_to_the_one_before_it() {
    let okta = Okta::with_backlog(EVENTS).await;
    // One answer after the other would take two and a half minutes.
    let enough = DELAY * EVENTS as u32 * 2 / 8;
    for (in_batches, fast) in [(true, true), (true, false), (false, false)] {
        let nats = NatsServer::start().await;
        let stream = Config {
            name: "FAR".to_owned(),
            subjects: vec!["okta.>".to_owned()],
            allow_atomic_publish: in_batches,
            allow_batch_publish: fast,
            ..Config::default()
        };
        nats.create_stream(stream).await;
        let line = SlowLine::to(nats.port(), DELAY).await;
        let config = format!(
            r#"
[streams.log]
org = "acme"
start = "-90d"
routes = [{{ sink = "far" }}]
[buses.nats]
kind = "nats"
servers = ["nats://127.0.0.1:{}"]
[sinks.far]
kind = "nats"
stream = "FAR"
key = ""
"#,
            line.port()
        );
        let workplace = Workplace::new(&okta, &config);
        let began = Instant::now();
        workplace.catch_up().await;
        assert!(began.elapsed() < enough, "in batches: {in_batches}, fast: {fast}, {:?}", began.elapsed());
        assert_eq!(nats.stored("FAR").await.len(), EVENTS);
    }
}
