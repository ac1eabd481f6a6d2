//! Asks Okta for the window until it ends, and hands what comes to whoever takes it.

use std::{collections::BTreeSet, io, sync::Arc};

use super::{coverage::Coverage, question::Question};
use okta_client::{Class, Client, OktaError, Priority};
use okta_system_log::event::Event;

use crate::{
    cli::progress::Progress,
    remedy::remedy,
    search::SpoolError,
    source::window::{BoundedPage, WindowReader, WindowStep},
    telemetry::chain,
};

/// Takes events one by one; may block.
pub(super) trait Take: Send + 'static {
    /// The first answer is there.
    fn begin(&mut self) -> Result<(), TakeError>;
    /// Takes one event.
    fn take(&mut self, event: &Event<'_>) -> Result<(), TakeError>;
    /// All events of one answer have been taken.
    fn flush(&mut self) -> Result<(), TakeError>;
}

/// Why what came cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum TakeError {
    #[error("cannot write to standard output")]
    Print(#[source] io::Error),
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// Why the window could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("{}", explain(.0))]
    Okta(OktaError),
    #[error(transparent)]
    Take(#[from] TakeError),
}

fn explain(error: &OktaError) -> String {
    match remedy(error) {
        Some(remedy) => format!("{}: {remedy}", chain(error)),
        None => chain(error),
    }
}

/// Reads the window that `question` asks for. What may pass is waited for, and told once.
pub(super) async fn read<T: Take>(
    question: &Question,
    client: Arc<Client>,
    mut taker: T,
) -> Result<T, ReadError> {
    let mut coverage = Coverage::new(question);
    let (window, limit) = (question.window(), question.query.limit);
    let mut reader = WindowReader::new(Arc::clone(&client), Priority::Search, window, limit);
    let mut told = BTreeSet::new();
    let mut may_forget_link = false;
    loop {
        match reader.step().await {
            WindowStep::Ended => break,
            WindowStep::Page(part) => {
                may_forget_link = true;
                let is_first = coverage.came(&part, &client.logs_budget()) == 1;
                taker = take(part, is_first, taker, coverage.progress()).await?;
            }
            WindowStep::Failed { error, wait } => {
                let is_worth_it = match error.class() {
                    Class::Retry(_) => true,
                    // A link that is refused is asked for by time, once.
                    Class::Permanent => std::mem::take(&mut may_forget_link),
                    Class::Authentication | Class::Configuration => false,
                };
                if !is_worth_it {
                    coverage.end();
                    return Err(ReadError::Okta(error));
                }
                if told.insert(error.essence()) {
                    coverage.progress().say(&format!("{}; trying again", explain(&error)));
                }
                tokio::time::sleep(wait).await;
            }
        }
    }
    coverage.end();
    Ok(taker)
}

async fn take<T: Take>(
    part: BoundedPage,
    is_first: bool,
    mut taker: T,
    progress: &Progress,
) -> Result<T, TakeError> {
    let bar = progress.bar();
    let taking = tokio::task::spawn_blocking(move || {
        bar.suspend(|| {
            if is_first {
                taker.begin()?;
            }
            for (event, index) in part.events.iter().zip(0..) {
                if part.left_out.binary_search(&index).is_err() {
                    taker.take(&event)?;
                }
            }
            taker.flush()
        })?;
        Ok(taker)
    });
    taking.await.unwrap_or_else(|err| Err(TakeError::Print(io::Error::other(err))))
}
