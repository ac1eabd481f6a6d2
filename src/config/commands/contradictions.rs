//! Refuses settings of commands that contradict each other.

use super::{super::Problem, AuditConfig, CommandsConfig, DestinationConfig};
use crate::message::subject::covers;

/// What of `config` cannot be.
pub(super) fn check(config: &CommandsConfig) -> Result<(), Problem> {
    private_replies_are_allowed(config)?;
    private_replies_are_no_outcomes(config)?;
    lists_fit_into_limits(config)
}

/// The fewest changes that a limit lets an allowed action make whose commands may have lists.
pub(super) fn longest_list(config: &CommandsConfig) -> Option<usize> {
    let with_lists: Vec<_> = config.actions().filter(|action| action.takes_lists()).collect();
    let limits = config.limits.iter().filter(|limit| with_lists.iter().any(|action| limit.is_about(*action)));
    limits.map(|limit| usize::try_from(limit.count).unwrap_or(usize::MAX)).min()
}

/// A command may ask for secrets at a private address only if it may ask for that address.
fn private_replies_are_allowed(config: &CommandsConfig) -> Result<(), Problem> {
    if config.intake.is_none() {
        return Ok(());
    }
    let replies: Vec<_> = config.reply_to.iter().map(ToString::to_string).collect();
    for (index, private) in config.reveal.private.iter().enumerate() {
        if !replies.iter().any(|pattern| covers(pattern, &private.to_string())) {
            let reason = format!(
                "`{private}` is not within `reply_to`, so that no command may ask for it: add it there"
            );
            return Err(Problem::new(format!("reveal.private[{index}]"), reason));
        }
    }
    Ok(())
}

/// Readers of outcomes or of the audit read everything at those addresses.
fn private_replies_are_no_outcomes(config: &CommandsConfig) -> Result<(), Problem> {
    let addresses: Vec<_> = config.destinations().flat_map(|(_, to)| to.addresses(&config.org)).collect();
    for (index, private) in config.reveal.private.iter().enumerate() {
        if let Some(address) = addresses.iter().find(|address| private.matches(address)) {
            let reason = format!(
                "outcomes or the audit go to `{address}`, which is not private then: choose another address"
            );
            return Err(Problem::new(format!("reveal.private[{index}]"), reason));
        }
    }
    Ok(())
}

/// A command with more changes than a limit lets through would trip it whenever it came.
fn lists_fit_into_limits(config: &CommandsConfig) -> Result<(), Problem> {
    match longest_list(config) {
        Some(longest) if longest < config.list_max => {
            let reason = format!(
                "{} is more than a limit lets through, {longest}: a command with more changes than that trips it by itself",
                config.list_max
            );
            Err(Problem::new("list_max", reason))
        }
        _ => Ok(()),
    }
}

impl CommandsConfig {
    /// The destinations of outcomes and audit, by their keys.
    pub(in crate::config) fn destinations(&self) -> impl Iterator<Item = (&'static str, &DestinationConfig)> {
        let audit = match &self.audit {
            AuditConfig::Sink(destination) => Some(("audit", &**destination)),
            AuditConfig::File(_) => None,
        };
        [("outcomes", &self.outcomes)].into_iter().chain(audit)
    }
}
