//! All or nothing, and the checkpoint as it was given.

use super::{assert_read, deliver, open, server_with, stream, take_over};
use crate::support::events::batch;

#[tokio::test]
async fn messages_and_checkpoint_are_there_together_and_the_checkpoint_is_read_back() {
    let mut server = server_with(stream()).await;
    let mut sink = open(&server).await;
    assert_eq!(sink.last_checkpoint().await.unwrap(), None);
    deliver(&mut sink, &batch(0..100), "after 100").await;
    deliver(&mut sink, &batch(100..250), "after 250").await;
    assert_eq!(sink.last_checkpoint().await.unwrap().unwrap(), "after 250");
    sink.close().await;
    assert_read(&server, &[batch(0..250)], "after 250").await;

    server.kill();
    server.restart().await;
    let mut sink = open(&server).await;
    assert_eq!(take_over(&mut sink).await.unwrap(), "after 250");
    deliver(&mut sink, &batch(250..260), "after 260").await;
    assert_read(&server, &[batch(0..260)], "after 260").await;
}
