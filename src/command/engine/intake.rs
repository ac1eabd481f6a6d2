//! Reads the queue with retries, and closes it when the last message is acknowledged.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{status::EngineStatus, trouble::Trouble};
use crate::{
    command::intake::{Delivery, Intake},
    config::CommandsConfig,
    retry::{RetryPolicy, retry},
    telemetry::chain,
};

/// How often the intake is asked for a trouble.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Passes on the deliveries of the intake of `config` until `stop`; keeps it open until `drained`.
pub(super) async fn run(
    config: &CommandsConfig,
    deliveries: mpsc::Sender<Delivery>,
    status: &EngineStatus,
    stop: &CancellationToken,
    drained: &CancellationToken,
) {
    let Some(intake) = &config.intake else { return };
    let mut backoff = RetryPolicy::COMMANDS.backoff();
    let mut reporter = status.trouble_reporter(Trouble::Intake);
    let ending = async || {
        tokio::select! {
            () = stop.cancelled() => {}
            () = drained.cancelled() => {}
        }
    };
    let attempt = || Intake::open(intake, &config.name);
    let in_words = intake.in_words();
    let mut intake = tokio::select! {
        () = ending() => return,
        opened = retry(&mut backoff, attempt, |err| reporter.report(&chain(err))) => opened,
    };
    tracing::info!(commands = config.name, intake = in_words, "commands are read");
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    loop {
        let next = tokio::select! {
            () = ending() => break,
            _ = looks.tick() => {
                match intake.trouble() {
                    Some(trouble) => reporter.report(&trouble),
                    None => reporter.clear(),
                }
                continue;
            }
            next = intake.next() => next,
        };
        match next {
            Ok(delivery) => {
                backoff.reset();
                tokio::select! {
                    () = ending() => break,
                    _ = deliveries.send(delivery) => {}
                }
            }
            Err(err) => {
                reporter.report(&chain(&err));
                tokio::select! {
                    () = ending() => break,
                    () = tokio::time::sleep(backoff.next_wait()) => {}
                }
            }
        }
    }
    drop(deliveries);
    drained.cancelled().await;
    intake.close().await;
}
