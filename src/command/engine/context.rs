//! What the commands of a section share while the engine runs: opened at its start, closed at its end.

use std::sync::Arc;

use super::{
    Engine, EngineError,
    admission::Admission,
    audit_log::AuditLog,
    journal::Journal,
    parked::{ParkedCommands, ParkedOwner},
    permits::Permits,
    publish::Outcomes,
    status::EngineStatus,
    turns::Turns,
};
use crate::{
    clock::Clock,
    command::{
        dead_letters::DeadLetters,
        execute::Executor,
        message::FingerprintKey,
        policy::Signatures,
        publisher::{self, Records},
    },
    config::CommandsConfig,
};

/// What the commands of a section share while the engine runs.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) config: Arc<CommandsConfig>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) executor: Executor,
    pub(super) journal: Journal,
    pub(super) key: Arc<FingerprintKey>,
    pub(super) admission: Arc<Admission>,
    pub(super) signatures: Arc<Signatures>,
    pub(super) parked_commands: ParkedCommands,
    pub(super) audit: Arc<AuditLog>,
    pub(super) outcomes: Outcomes,
    pub(super) dead_letters: DeadLetters,
    pub(super) status: Arc<EngineStatus>,
    pub(super) turns: Arc<Turns>,
    pub(super) permits: Permits,
}

impl Context {
    /// Opens what the commands of `engine` need; `parked` says who continues with parked commands. Makes no connection.
    pub(super) async fn open(engine: &Engine, parked: ParkedOwner) -> Result<Self, EngineError> {
        let (config, status) = (Arc::clone(&engine.config), Arc::clone(&engine.status));
        let CommandsConfig { name, outcomes, reveal, .. } = &*config;
        let outcomes = publisher::open(&outcomes.sink, name, Records::Outcomes, &reveal.stored_in)?;
        let journal = Journal::new(engine.seams.state.clone(), Arc::clone(&status));
        Ok(Self {
            clock: Arc::clone(&engine.seams.clock),
            executor: engine.executor.clone(),
            parked_commands: ParkedCommands::new(
                journal.clone(),
                &status,
                Arc::clone(&engine.seams.clock),
                parked,
            ),
            journal,
            key: engine.key().await?,
            admission: Arc::clone(&engine.admission),
            signatures: Arc::clone(&engine.signatures),
            audit: engine.open_audit().await?,
            outcomes: Outcomes::new(Arc::clone(&config), outcomes, Arc::clone(&status)),
            dead_letters: DeadLetters::new(&engine.seams.state.dead_letters_directory(), &config.name),
            turns: Arc::default(),
            permits: Permits::new(config.parallel),
            config,
            status,
        })
    }

    /// Closes the publishers.
    pub(super) async fn close(self) {
        self.outcomes.close().await;
        self.audit.close().await;
    }
}
