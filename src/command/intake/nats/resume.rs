//! What must be in our hands again before a session takes anything new, so that nothing overtakes it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_nats::jetstream::{AckKind, Message};
use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep};

use super::session::{Session, sequence};
use crate::sink::SinkError;

/// How often it is looked what is missing.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often what may be missing is asked for at once: what a process that stopped in good order gave back is there
/// within a second.
const EARLY_LOOKS: u32 = 4;
/// How long after its time the server notices that it has had no word about a message.
const EXPIRY_MARGIN: Duration = Duration::from_millis(500);

impl Session {
    /// Takes what the server waits for a word about and nobody here has: a former process held it, or it was on its way when
    /// a connection broke. The server gives it again when its `ack_wait` is over, and what is new, taken before, would
    /// overtake it. What other living processes hold is waited for as long, and does not come.
    pub(super) async fn resume(&self) -> Result<(), SinkError> {
        let patience = self.ack_wait() + EXPIRY_MARGIN;
        let begun = Instant::now();
        let mut set_aside = BTreeMap::new();
        for look in 0_u32.. {
            let lost = self.lost(&set_aside).await?;
            let is_last = begun.elapsed() >= patience;
            if lost > 0 && (look < EARLY_LOOKS || is_last) {
                for message in self.fetch(lost).await? {
                    set_aside.insert(sequence(&message), message);
                }
            }
            if is_last || lost == 0 || self.lost(&set_aside).await? == 0 {
                break;
            }
            if look == EARLY_LOOKS {
                tracing::info!(
                    intake = self.name,
                    lost,
                    wait_s = patience.saturating_sub(begun.elapsed()).as_secs_f64(),
                    "commands that were held when a process or a connection ended come again before new ones"
                );
            }
            sleep(LOOK_EVERY).await;
            self.keep(set_aside.values()).await?;
        }
        self.take_in_order(set_aside).await
    }

    /// How many messages the server waits for a word about that nobody has here.
    async fn lost(&self, set_aside: &BTreeMap<u64, Message>) -> Result<usize, SinkError> {
        let info = self.consumer.get_info().await.map_err(|err| self.unreachable(&err.to_string()))?;
        Ok(self.shared.hands().lost(info.num_ack_pending, set_aside.keys().copied()))
    }

    /// What is there now, `count` at most: what comes again before what is new.
    async fn fetch(&self, count: usize) -> Result<Vec<Message>, SinkError> {
        let batch = self.consumer.fetch().max_messages(count).messages().await;
        let mut batch = batch.map_err(|err| self.unreachable(&err.to_string()))?;
        let mut messages = Vec::new();
        while let Some(message) = batch.next().await {
            messages.push(message.map_err(|err| self.unreachable(&err.to_string()))?);
        }
        Ok(messages)
    }

    /// Tells the server that these are not forgotten.
    async fn keep(&self, messages: impl Iterator<Item = &Message>) -> Result<(), SinkError> {
        for message in messages {
            self.say(message, AckKind::Progress).await?;
        }
        Ok(())
    }

    /// Puts messages on the shelf in the order of the queue. Those for which there is no room are given back, in that order,
    /// and the server gives them again before what is new.
    async fn take_in_order(&self, messages: BTreeMap<u64, Message>) -> Result<(), SinkError> {
        for message in messages.into_values() {
            match Arc::clone(&self.shared.room).try_acquire_owned() {
                Ok(room) => self.put(message, room),
                Err(_) => self.say(&message, AckKind::Nak(None)).await?,
            }
        }
        Ok(())
    }

    async fn say(&self, message: &Message, kind: AckKind) -> Result<(), SinkError> {
        message.ack_with(kind).await.map_err(|err| self.unreachable(&err.to_string()))
    }
}
