//! Commands from a Kafka topic, read by a consumer group.
//!
//! # How nothing is lost or passed over
//!
//! * The group's offset of a partition stays below the first message that is not done, in whatever order they end.
//! * A partition that goes to another is committed first, after what has begun of it has ended; the rest is the other's. One
//!   that is lost, because we were not heard of for too long, is the other's with all there is of it.
//! * A message to be tried again keeps its place and is handed out again from here; others pass it, up to a bound.

mod context;
mod desk;
mod letter;
mod offsets;
mod reader;
mod ticket;

use std::{sync::Arc, thread, time::Duration};

use tokio::sync::mpsc;

use self::{
    context::Context,
    desk::Desk,
    letter::Letter,
    reader::{Read, Reader},
};
use super::{Delivery, IntakeError, Ticket};
use crate::{
    config::KafkaBus,
    sink::kafka::{client::off_runtime, fault::Fault, token::Tokens},
};

pub(super) use ticket::KafkaTicket;

/// How long closing waits for the last commit and the group.
const CLOSE_PATIENCE: Duration = Duration::from_secs(3);
const CLOSE_LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// What to read, and under which name.
#[derive(Debug, Clone)]
pub(super) struct KafkaQueue {
    pub(super) name: String,
    pub(super) bus: Arc<KafkaBus>,
    pub(super) topic: String,
    pub(super) group: String,
}

/// An intake from Kafka.
#[derive(Debug)]
pub struct KafkaIntake {
    queue: KafkaQueue,
    /// None after the client has failed for good.
    session: Option<Session>,
}

/// One client for as long as it is of use. Dropped, it asks its thread to end.
#[derive(Debug)]
struct Session {
    desk: Arc<Desk>,
    messages: mpsc::UnboundedReceiver<Read>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Looks whether the topic of `queue` is there. Whether its group may be joined shows when it is.
pub(super) async fn check(queue: KafkaQueue) -> Result<String, IntakeError> {
    let name = queue.name.clone();
    let looked = off_runtime(move || {
        let KafkaQueue { name, bus, topic, group } = queue;
        let text = format!("the topic {topic} is there");
        let tokens = Tokens::of(&bus);
        reader::connect(&bus, Context { name, topic, group, desk: Arc::default(), tokens })?;
        Ok(text)
    });
    looked.await.map_err(|fault| fault.into_error(&name).into())
}

impl KafkaIntake {
    pub(super) async fn open(queue: KafkaQueue) -> Result<Self, IntakeError> {
        let session = Some(Session::open(&queue).await?);
        Ok(Self { queue, session })
    }

    /// Cancel-safe: a session that is half open is dropped, and a message is only taken when it is given.
    pub(super) async fn next(&mut self) -> Result<Delivery, IntakeError> {
        let session = match &mut self.session {
            Some(session) => session,
            none => none.insert(Session::open(&self.queue).await?),
        };
        loop {
            let fault = match session.messages.recv().await {
                Some(Ok((spot, letter))) => {
                    let ticket = KafkaTicket::new(Arc::clone(&session.desk), spot, letter.clone());
                    if ticket.is_open() {
                        return Ok(delivery(letter, ticket));
                    }
                    continue;
                }
                Some(Err(fault)) => {
                    // The next call connects anew.
                    if matches!(fault, Fault::Poisoned(_)) {
                        self.session = None;
                    }
                    fault
                }
                None => {
                    self.session = None;
                    Fault::Poisoned("the client has ended".to_owned())
                }
            };
            return Err(fault.into_error(&self.queue.name).into());
        }
    }

    pub(super) fn trouble(&self) -> Option<String> {
        let Some(session) = &self.session else { return Some("not connected".to_owned()) };
        let complaint = session.desk.complaint.last().map(|fault| fault.reason().to_owned());
        complaint.or_else(|| session.desk.state().standstill())
    }

    /// Commits what is done, and leaves the group.
    pub(super) async fn close(mut self) {
        let Some(mut session) = self.session.take() else { return };
        session.desk.close();
        let Some(thread) = session.thread.take() else { return };
        let ended = async {
            while !thread.is_finished() {
                tokio::time::sleep(CLOSE_LOOK_AGAIN_AFTER).await;
            }
        };
        if tokio::time::timeout(CLOSE_PATIENCE, ended).await.is_err() {
            tracing::debug!(intake = self.queue.name, "the cluster did not let us go in time");
        }
    }
}

impl Session {
    async fn open(queue: &KafkaQueue) -> Result<Self, IntakeError> {
        let KafkaQueue { name, bus, topic, group } = queue.clone();
        let opened = off_runtime(move || {
            let desk = Arc::new(Desk::default());
            let context = Context { name, topic, group, desk: Arc::clone(&desk), tokens: Tokens::of(&bus) };
            let (sender, messages) = mpsc::unbounded_channel();
            let thread = Reader::open(&bus, context, sender)?.start()?;
            Ok(Self { desk, messages, thread: Some(thread) })
        });
        opened.await.map_err(|fault| fault.into_error(&queue.name).into())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.desk.close();
    }
}

fn delivery(letter: Letter, ticket: KafkaTicket) -> Delivery {
    let Letter { payload, headers, place, unfit } = letter;
    Delivery {
        payload,
        headers,
        message_id: None,
        place,
        published_at: None,
        unfit,
        ticket: Ticket::kafka(ticket),
    }
}
