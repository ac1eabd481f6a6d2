//! The simulated queue: redelivers unacknowledged messages, and delivers copies and messages of others with the ids of
//! commands.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::mpsc, time::Instant};

use super::{
    judge,
    scenario::{Scenario, SentCommand},
    world::World,
};
use crate::command::{
    QueuePlace,
    intake::{
        Acknowledgement, Delivery,
        simulated::{Said, SimulatedAcknowledgement},
    },
};

/// More deliveries of a message than this are a fault.
const DELIVERIES_MAX: u32 = 1_000;

/// The queue.
pub(super) struct Queue {
    is_signed: bool,
    messages: Vec<Message>,
    saying: mpsc::UnboundedSender<(usize, Said)>,
    pub(super) said: mpsc::UnboundedReceiver<(usize, Said)>,
}

struct Message {
    command: SentCommand,
    /// When it is delivered next; none while it is in hand or once it is acknowledged.
    due: Option<Duration>,
    deliveries: u32,
    is_acked: bool,
}

impl Queue {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let messages = scenario.commands.iter().map(|command| {
            let due = Some(Duration::from_secs(command.sent_s));
            Message { command: command.clone(), due, deliveries: 0, is_acked: false }
        });
        let (saying, said) = mpsc::unbounded_channel();
        Self { is_signed: scenario.is_signed, messages: messages.collect(), saying, said }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.iter().all(|message| message.is_acked)
    }

    pub(super) fn left(&self) -> Vec<&str> {
        let left = self.messages.iter().filter(|message| !message.is_acked);
        left.map(|message| message.command.id.as_str()).collect()
    }

    fn next(&self) -> Option<(Duration, usize)> {
        let due = self.messages.iter().enumerate();
        due.filter_map(|(number, message)| Some((message.due?, number))).min()
    }

    pub(super) fn next_at(&self, started: Instant) -> Option<Instant> {
        self.next().map(|(due, _)| started + due)
    }

    pub(super) fn take(&mut self, world: &World) -> Option<Delivery> {
        let (due, number) = self.next()?;
        if due > world.started.elapsed() {
            return None;
        }
        let message = &mut self.messages[number];
        message.due = None;
        message.deliveries += 1;
        assert!(message.deliveries < DELIVERIES_MAX, "{} comes again and again", message.command.id);
        let mut json = message.command.message.clone();
        let times = [("not_before", message.command.not_before_s), ("expires_at", message.command.expires_s)];
        for (name, seconds) in times {
            if let Some(seconds) = seconds {
                json[name] = at(world, seconds).to_string().into();
            }
        }
        let acknowledgement = SimulatedAcknowledgement::new(number, self.saying.clone());
        let payload = json.to_string();
        let is_ours = self.is_signed && !message.command.is_foreign;
        let signed = is_ours
            .then(|| message.command.sender.sign(at(world, message.command.sent_s), payload.as_bytes()));
        Some(Delivery {
            payload: payload.into(),
            headers: signed.into_iter().collect(),
            message_id: None,
            place: place(number),
            published_at: Some(at(world, message.command.sent_s)),
            unfit: None,
            acknowledgement: Acknowledgement::simulated(acknowledgement),
        })
    }

    pub(super) fn hear(&mut self, number: usize, said: Said, world: &World) {
        let message = &mut self.messages[number];
        let now = world.started.elapsed();
        match said {
            Said::Acked => {
                message.is_acked = true;
                if !message.command.is_foreign {
                    let published_at = Some(at(world, message.command.sent_s));
                    let place = QueuePlace { place: place(number), published_at };
                    judge::require_durable(world, &message.command.id, &place);
                }
            }
            Said::Rejected => {
                message.is_acked = true;
                judge::require_untrusted(world, &message.command, self.is_signed);
            }
            Said::Later(wait) => message.due = Some(now + wait),
            Said::Dropped => message.due = Some(now + Duration::from_secs(1)),
        }
    }

    /// A new life begins.
    pub(super) fn redeliver(&mut self) {
        while let Ok((number, said)) = self.said.try_recv() {
            // An acknowledgement may be lost.
            self.messages[number].is_acked |=
                said != Said::Dropped && !matches!(said, Said::Later(_)) && number % 2 == 0;
        }
        for message in &mut self.messages {
            if !message.is_acked && message.due.is_none() {
                message.due = Some(Duration::ZERO);
            }
        }
    }
}

fn at(world: &World, second: u64) -> Timestamp {
    world.beginning() + SignedDuration::from_secs(i64::try_from(second).unwrap())
}

fn place(number: usize) -> String {
    format!("QUEUE@{number}")
}
