//! Dead letters of a route that an operator has delivered once more.

use std::sync::Arc;

use super::{Operator, OperatorLog};
use crate::{
    command::audit::AuditError,
    dead_letters::{
        LetterFilter, LetterKind, LetterResult, LetterRetries, LetterRetry, LettersError, find_letters,
    },
};

/// Letters of one request: the oldest.
const RETRIED_MAX: usize = 500;

/// Dead letters were not tried again, or it is not known what became of them.
#[derive(Debug, thiserror::Error)]
pub enum LetterRetryError {
    /// They cannot be read or delivered.
    #[error(transparent)]
    Letters(#[from] LettersError),
    /// The decision cannot be recorded, so nothing was done.
    #[error("the dead letters were not tried again")]
    Record(#[source] AuditError),
}

/// Delivers the oldest dead letters of `route` once more. Gives, in a sentence, what became of them.
pub(super) async fn retry(
    letters: &Arc<LetterRetries>,
    log: &OperatorLog,
    route: &str,
    by: &Operator,
) -> Result<String, LetterRetryError> {
    let filter = LetterFilter {
        kind: Some(LetterKind::Message),
        route: Some(route.to_owned()),
        ..LetterFilter::default()
    };
    let found = find_letters(letters.directory(), filter).await?.letters;
    let left = found.len().saturating_sub(RETRIED_MAX);
    let named: Vec<_> = found.into_iter().take(RETRIED_MAX).map(|kept| kept.letter).collect();
    if named.is_empty() {
        return Ok(format!("The route {route} has no dead letters."));
    }
    log.keep("retrying dead letters", route, by).await.map_err(LetterRetryError::Record)?;
    tracing::warn!(
        route,
        letters = named.len(),
        by = by.name,
        reason = by.reason,
        "dead letters are delivered again"
    );
    Ok(told(&letters.retry(named).await?, left))
}

fn told(retried: &[LetterRetry], left: usize) -> String {
    let is_delivered = |retry: &&LetterRetry| matches!(retry.result, LetterResult::Delivered);
    let (delivered, all) = (retried.iter().filter(is_delivered).count(), retried.len());
    let mut told = format!("{delivered} of {all} dead letters are delivered.");
    let reason = retried.iter().find_map(|retry| match &retry.result {
        LetterResult::DeliveredAndKept(reason)
        | LetterResult::Rejected(reason)
        | LetterResult::Failed(reason)
        | LetterResult::Refused(reason) => Some(reason),
        LetterResult::Delivered | LetterResult::Unknown => None,
    });
    if let Some(reason) = reason {
        told += &format!(" The first that is kept: {reason}.");
    }
    if left > 0 {
        told += &format!(" {left} more are left for the next time.");
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_the_letters_is_told_with_the_first_reason() {
        let retry = |result| LetterRetry { letter: String::from("1").into(), id: None, result };
        let refused = LetterResult::Rejected("the message is too large".to_owned());
        let retried = [retry(LetterResult::Delivered), retry(refused)];
        let expected = "1 of 2 dead letters are delivered. The first that is kept: the message is too large.";
        assert_eq!(told(&retried, 0), expected);
        assert!(told(&retried[..1], 3).ends_with("delivered. 3 more are left for the next time."));
    }
}
