//! Dead letters of a transaction: nobody sees them before it is committed, and they are forgotten if it is not. So a message
//! that is delivered after all is no dead letter beside that.

use tokio_util::sync::CancellationToken;

use super::refusals::RefusedPart;
use crate::{
    halt::Stopped,
    retry::{RetryPolicy, retry_until},
    route::status::RouteStatus,
    sink::{DeadLetters, DeadLettersError},
    state::BusCheckpoint,
    telemetry::{chain, metrics},
};

/// Keeps what is `refused` until it is known what became of `checkpoint`.
pub(super) async fn keep_uncommitted(
    letters: &DeadLetters,
    refused: &[RefusedPart],
    checkpoint: &BusCheckpoint,
    status: &RouteStatus,
    stop: &CancellationToken,
) -> Result<(), Stopped> {
    let attempt = || {
        let refused = refused.iter().map(|part| (&*part.messages, &part.rejected[..]));
        letters.keep_uncommitted(refused, checkpoint.clone())
    };
    let mut backoff = RetryPolicy::STATE.backoff();
    retry_until(&mut backoff, stop, attempt, |err| report(status, err)).await
}

/// What waits to be committed becomes dead letters or is forgotten, as `is_committed` says of its checkpoint.
pub(in crate::route) async fn settle(
    letters: &DeadLetters,
    is_committed: impl Fn(&BusCheckpoint) -> bool,
    status: &RouteStatus,
    stop: &CancellationToken,
) -> Result<(), Stopped> {
    let mut backoff = RetryPolicy::STATE.backoff();
    let attempt = || letters.settle_uncommitted(&is_committed);
    retry_until(&mut backoff, stop, attempt, |err| report(status, err)).await
}

/// Whether the transaction with `checkpoint` is committed, where the route goes on at `base`. If somebody else has written since,
/// or nothing is known any more, nobody can say it, and a letter too many is better than a message that is nowhere.
pub(super) fn is_committed(checkpoint: &BusCheckpoint, base: Option<&BusCheckpoint>) -> bool {
    let Some(base) = base else { return true };
    if (&base.owner, base.epoch) == (&checkpoint.owner, checkpoint.epoch) {
        return base.generation >= checkpoint.generation;
    }
    base.epoch > checkpoint.epoch
}

fn report(status: &RouteStatus, err: &DeadLettersError) {
    metrics::state_failure(status.name());
    if status.state_failed(&chain(err)) {
        tracing::error!(
            route = status.name(),
            error = chain(err),
            "dead letters cannot be kept; trying again"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(owner: &str, epoch: u64, generation: u64) -> BusCheckpoint {
        BusCheckpoint { owner: Some(owner.to_owned()), epoch, generation }
    }

    #[test]
    fn a_transaction_is_committed_if_the_route_goes_on_behind_it() {
        let ours = checkpoint("me", 4, 20);
        for (base, expected) in [
            (checkpoint("me", 4, 19), false),
            (checkpoint("me", 4, 20), true),
            (checkpoint("me", 4, 21), true),
            // The bus was set back: it is read again.
            (checkpoint("before", 3, 30), false),
            // Whoever has taken the route over has seen it or not.
            (checkpoint("other", 5, 20), true),
        ] {
            assert_eq!(is_committed(&ours, Some(&base)), expected, "{base:?}");
        }
        assert!(is_committed(&ours, None));
    }
}
