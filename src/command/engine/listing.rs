//! Lists of the journal, the limits and the audit, for people.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Map, Value, value::RawValue};

use super::{
    Engine, EngineError, audit_log, journal,
    parked::{ParkedCommand, note_name},
};
use crate::{
    command::{
        Status,
        audit::SavedChain,
        record::{CommandStage, Record, SecondKey},
    },
    state::StoredEntry,
};

/// A record of the journal, for people.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// The name of the section.
    pub commands: String,
    /// The id of the command.
    pub id: String,
    /// The record.
    #[serde(flatten)]
    pub record: Record,
    /// The parameters of a parked command, without secrets; only if a single command is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asks: Option<Map<String, Value>>,
}

/// Reads the names first, and then the record from the same text: serde buffers flattened members as values, and the
/// events of the System Log would lose their bytes.
impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Names {
            commands: String,
            id: String,
            asks: Option<Map<String, Value>>,
        }

        let json = Box::<RawValue>::deserialize(deserializer)?;
        let Names { commands, id, asks } = serde_json::from_str(json.get()).map_err(D::Error::custom)?;
        let record = Record::decode(json.get()).map_err(D::Error::custom)?;
        Ok(Self { commands, id, record, asks })
    }
}

/// A limit, for people.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListedLimit {
    /// The name of the section.
    pub commands: String,
    /// The action pattern of the limit, by which it is released.
    pub limit: String,
    /// The rule.
    pub rule: String,
    /// When it tripped, if it has.
    pub tripped_at: Option<Timestamp>,
}

impl Engine {
    /// The end of the audit's chain, as the state has it.
    pub async fn audit_chain(&self) -> Result<SavedChain, EngineError> {
        let (_, saved) = audit_log::saved_chain(&self.journal(), &self.status).await?;
        // The order matters: lines that are saved after the first read are not of interest.
        let is_settled = self.audit.is_settled().await;
        Ok(if is_settled { SavedChain { lines: Vec::new(), ..saved } } else { saved })
    }

    /// The records received last, newest first, `limit` at most; only those with the `status`, if given.
    pub async fn latest(&self, limit: usize, status: Option<String>) -> Result<Vec<Listed>, EngineError> {
        let name = self.name().to_owned();
        let wanted = move |stored: &StoredEntry| {
            listed(&name, stored).is_some_and(|listed| {
                status.as_ref().is_none_or(|status| listed.record.status_name() == status.as_str())
            })
        };
        let found = self.seams.state.latest_entries(limit, wanted).await?;
        Ok(found.iter().filter_map(|stored| listed(self.name(), stored)).collect())
    }

    /// The record of the command `id`.
    pub async fn find(&self, id: &str) -> Result<Option<Listed>, EngineError> {
        let Some(stored) = self.seams.state.entry(&journal::key(self.name(), id)).await? else {
            return Ok(None);
        };
        let note = self.journal().note(&note_name(self.name(), id)).await?;
        let asks = note.and_then(|note| serde_json::from_str::<ParkedCommand>(&note.content).ok()?.asks());
        Ok(listed(self.name(), &stored).map(|listed| Listed { asks, ..listed }))
    }

    /// All limits, and whether they have tripped.
    pub async fn limits(&self) -> Result<Vec<ListedLimit>, EngineError> {
        let configured = self.admission.policy.limits();
        let known = self.admission.limiter.load(configured).await?;
        let limits = configured.iter().map(|limit| {
            let pattern = limit.pattern.to_string();
            let tripped = known.tripped().find(|(tripped, _)| *tripped == pattern);
            ListedLimit {
                commands: self.name().to_owned(),
                rule: limit.to_string(),
                tripped_at: tripped.map(|(_, at)| at),
                limit: pattern,
            }
        });
        Ok(limits.collect())
    }
}

fn listed(commands: &str, stored: &StoredEntry) -> Option<Listed> {
    let id = stored.id.strip_prefix(commands)?.strip_prefix('/')?.to_owned();
    let record = Record::decode(&stored.entry.content).ok()?;
    Some(Listed { commands: commands.to_owned(), id, record, asks: None })
}

impl Record {
    /// The status of the outcome, or the stage.
    pub fn status_name(&self) -> &'static str {
        if self.is_pending() && matches!(self.second_key, Some(SecondKey::Awaited { .. })) {
            return "awaits_approval";
        }
        match &self.stage {
            CommandStage::Received if self.parked_until.is_some() => "parked",
            CommandStage::Received => "received",
            CommandStage::Started { .. } => "started",
            CommandStage::Ended { outcome, .. } => Status::name(outcome.status),
        }
    }
}
