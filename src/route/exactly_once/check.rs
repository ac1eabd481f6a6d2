//! Whose the checkpoint of a route is and how old, told to a person. Reads alone: whoever has the route is not disturbed.

use jiff::Timestamp;

use super::record::CheckpointRecord;
use crate::{
    config::SinkConfig,
    message::Origin,
    route::RouteError,
    sink::{KeptCheckpoint, SinkError, read_checkpoint},
    state::BusCheckpoint,
};

/// Why a checkpoint cannot be told of.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The bus does not show it.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// It cannot be read.
    #[error(transparent)]
    Route(#[from] RouteError),
}

/// Looks at the checkpoint that the bus of `sink` keeps for the route called `route`, and describes it in one line. None: there is
/// none.
pub async fn look_at_checkpoint(
    sink: &SinkConfig,
    route: &str,
    origin: &Origin,
) -> Result<Option<String>, CheckpointError> {
    let record = record(sink, route, origin).await?;
    Ok(record.map(|(record, _)| described(&record, Timestamp::now())))
}

/// Which checkpoint that is. A local cursor that names it counts more than it does, when the route is taken over next.
pub async fn checkpoint_in_bus(
    sink: &SinkConfig,
    route: &str,
    origin: &Origin,
) -> Result<Option<BusCheckpoint>, CheckpointError> {
    let found = record(sink, route, origin).await?;
    Ok(found.map(|(record, place_id)| BusCheckpoint { place: Some(place_id), ..record.number() }))
}

/// The record, and the id of the place that has it.
async fn record(
    sink: &SinkConfig,
    route: &str,
    origin: &Origin,
) -> Result<Option<(CheckpointRecord, String)>, CheckpointError> {
    let Some(KeptCheckpoint { bytes, place, place_id }) = read_checkpoint(sink, origin).await? else {
        return Ok(None);
    };
    let record = CheckpointRecord::from_bytes(&bytes, &origin.route_identity())
        .map_err(|source| RouteError::Checkpoint { route: route.to_owned(), place, source })?;
    Ok(Some((record, place_id)))
}

fn described(record: &CheckpointRecord, now: Timestamp) -> String {
    let CheckpointRecord { owner, epoch, generation, is_released, cursor } = record;
    let whose = if *is_released { "was left by" } else { "is of" };
    let age = now.duration_since(cursor.advanced_at).as_secs();
    format!(
        "the checkpoint in the bus {whose} {owner}: committed {age} s ago, generation {generation}, epoch {epoch}, {} messages in \
         all",
        cursor.delivered
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{route::exactly_once::record::Owner, state::Cursor};

    #[test]
    fn a_checkpoint_is_told_of_by_its_owner_and_age() {
        let cursor = Cursor::for_tests("https://acme.okta.com/api/v1/logs?after=1");
        let now = cursor.advanced_at + Duration::from_secs(42);
        let owner = Owner::of_this_run();
        let record =
            CheckpointRecord { owner: owner.clone(), epoch: 3, generation: 70, is_released: false, cursor };
        let told = described(&record, now);
        assert!(
            told.contains(&format!("is of {owner}: committed 42 s ago, generation 70, epoch 3")),
            "{told}"
        );
        let told = described(&CheckpointRecord { is_released: true, ..record }, now);
        assert!(told.contains("was left by"), "{told}");
    }
}
