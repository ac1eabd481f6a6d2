//! Which commands a second key must approve, and which keys may approve; refuses rules that no key could satisfy.

use std::time::Duration;

use super::{super::Problem, ActionPattern, CommandsConfig, SignatureKeyConfig};
use crate::action::Action;

/// Which commands a second key must approve.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApprovalConfig {
    /// The actions that need it; empty: none does.
    pub actions: Vec<ActionPattern>,
    /// How long a command waits for it, from its receipt.
    pub within: Duration,
}

/// Long enough for an approver during working hours.
const DEFAULT_WITHIN: Duration = Duration::from_secs(3_600);

impl ApprovalConfig {
    /// Whether a second key must approve `action`.
    pub fn covers(&self, action: Action) -> bool {
        self.actions.iter().any(|pattern| pattern.matches(action))
    }
}

/// `approve` and `approve_within` as typed.
pub(super) fn resolve(
    actions: Vec<ActionPattern>,
    within: Option<Duration>,
) -> Result<ApprovalConfig, Problem> {
    if actions.is_empty() && within.is_some() {
        return Err(Problem::new("approve_within", "does nothing without `approve`"));
    }
    Ok(ApprovalConfig { actions, within: within.unwrap_or(DEFAULT_WITHIN) })
}

/// Whether what needs an approval can get one.
pub(super) fn check(config: &CommandsConfig) -> Result<(), Problem> {
    let signature = config.signature.as_ref();
    let keys = signature.map(|signature| &*signature.keys).unwrap_or_default();
    for key in keys {
        let is_idle =
            |pattern: &&ActionPattern| !pattern.actions().any(|action| config.approval.covers(action));
        if let Some(idle) = key.approve.iter().find(is_idle) {
            let at = format!("signature.keys.{}.approve", key.id);
            return Err(Problem::new(at, format!("nothing of `{idle}` is among `approve` of the commands")));
        }
    }
    if config.approval.actions.is_empty() {
        return Ok(());
    }
    let problem = |reason: &str| Err(Problem::new("approve", reason));
    if config.intake.is_none() || !signature.is_some_and(|signature| signature.required) || keys.len() < 2 {
        return problem(
            "needs an intake and `signature.required = true` with two keys or more: one asks and another approves",
        );
    }
    if config.approval.within.is_zero() || config.approval.within >= config.keep {
        return Err(Problem::new("approve_within", "must be above zero and below `keep`"));
    }
    for pattern in &config.approval.actions {
        if !config.actions().any(|action| pattern.matches(action)) {
            return problem(&format!("nothing of `{pattern}` is among `allow`"));
        }
    }
    config.actions().filter(|action| config.approval.covers(*action)).try_for_each(|action| {
        let Some(key) = keys.iter().find(|key| key.may_ask(action) && !has_approver(keys, key, action))
        else {
            return Ok(());
        };
        problem(&format!(
            "the key `{}` may ask for `{}`, and no other key may approve that: give one `approve = [\"{}\"]`",
            key.id,
            action.name(),
            action.name(),
        ))
    })
}

fn has_approver(keys: &[SignatureKeyConfig], of: &SignatureKeyConfig, action: Action) -> bool {
    keys.iter().any(|key| key.id != of.id && key.approve.iter().any(|pattern| pattern.matches(action)))
}

impl SignatureKeyConfig {
    fn may_ask(&self, action: Action) -> bool {
        self.allow.is_empty() || self.allow.iter().any(|pattern| pattern.allows(action))
    }
}
