//! The changes to event hooks, one after the other: each is told, or in a dry run shown and not made.

use std::time::Duration;

use okta_client::{
    Change, Client, OktaError,
    event_hooks::{self, EventHookSettings},
};
use serde_json::Value;
use tokio::time::Instant;

use super::{DoorbellCommandError, failed};
use crate::{
    cli::{note, print},
    doorbell::REFRESH_EVERY,
};

/// For so long a changed hook may be refused: the daemon reads a secret that was just written only then.
const VERIFY_FOR: Duration = REFRESH_EVERY.saturating_add(Duration::from_secs(5));
const VERIFY_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Changes that are made, or only shown.
#[derive(Debug)]
pub(super) struct Changes<'a> {
    pub(super) client: &'a Client,
    pub(super) dry_run: bool,
}

impl Changes<'_> {
    /// Makes a hook, or replaces the one that there is, and has it verified.
    pub(super) async fn register(
        &self,
        settings: &EventHookSettings<'_>,
        existing: Option<&str>,
    ) -> Result<(), DoorbellCommandError> {
        let (change, what) = match existing {
            Some(id) => (event_hooks::replace(id, settings), "replace"),
            None => (event_hooks::create(settings), "create"),
        };
        let action = format!("{what} the event hook `{}`", settings.name);
        let Some(made) = self.make(&change, &action).await.map_err(|err| failed(&action, err))? else {
            let id = existing.unwrap_or("ID");
            return self.show(&event_hooks::verify(id));
        };
        let id = made["id"].as_str().unwrap_or_default().to_owned();
        if made["status"].as_str() == Some("INACTIVE") {
            let action = format!("activate the event hook `{}`", settings.name);
            let activate = event_hooks::activate(&id);
            self.make(&activate, &action).await.map_err(|err| failed(&action, err))?;
        }
        let count = settings.event_types.len();
        print(&format!(
            "{}: {what}d as {id}, with {count} event types, at {}\n",
            settings.name, settings.uri
        ));
        self.verify_in_time(&id, settings.name, settings.uri.as_str()).await
    }

    /// Has a changed hook verified as soon as the daemon knows of the change, within bounds.
    async fn verify_in_time(&self, id: &str, name: &str, uri: &str) -> Result<(), DoorbellCommandError> {
        let began = Instant::now();
        let mut is_told = false;
        loop {
            let verified = self.verify(id, name, uri).await;
            let is_refused = matches!(verified, Err(DoorbellCommandError::Unverified { .. }));
            if !is_refused || began.elapsed() + VERIFY_AGAIN_AFTER > VERIFY_FOR {
                return verified;
            }
            if !is_told {
                is_told = true;
                note(&format!(
                    "Okta cannot verify `{name}` yet; trying again for {} s: the daemon takes a new secret within {} s",
                    VERIFY_FOR.as_secs(),
                    REFRESH_EVERY.as_secs()
                ));
            }
            tokio::time::sleep(VERIFY_AGAIN_AFTER).await;
        }
    }

    /// Has a hook verified.
    pub(super) async fn verify(&self, id: &str, name: &str, uri: &str) -> Result<(), DoorbellCommandError> {
        let action = format!("verify the event hook `{name}`");
        match self.make(&event_hooks::verify(id), &action).await {
            Ok(_) => {
                print(&format!("{name}: verified, it rings\n"));
                Ok(())
            }
            Err(source) if source.status() == Some(400) => {
                let (name, uri) = (name.to_owned(), uri.to_owned());
                Err(DoorbellCommandError::Unverified { name, uri, source })
            }
            Err(err) => Err(failed(&action, err)),
        }
    }

    /// Removes a hook: only inactive ones can be deleted.
    pub(super) async fn remove(
        &self,
        id: &str,
        name: &str,
        is_active: bool,
    ) -> Result<(), DoorbellCommandError> {
        if is_active {
            let action = format!("deactivate the event hook `{name}`");
            self.make(&event_hooks::deactivate(id), &action).await.map_err(|err| failed(&action, err))?;
        }
        let action = format!("delete the event hook `{name}`");
        let deleted =
            self.make(&event_hooks::delete(id), &action).await.map_err(|err| failed(&action, err))?;
        if deleted.is_some() {
            print(&format!("{name}: removed ({id})\n"));
        }
        Ok(())
    }

    /// Okta's answer; none in a dry run.
    async fn make(&self, change: &Change, action: &str) -> Result<Option<Value>, OktaError> {
        if self.dry_run {
            print(&format!("would {action}:\n"));
            print(&(self.shown(change) + "\n"));
            return Ok(None);
        }
        Ok(Some(self.client.reserve(change).await?.send().await?.body))
    }

    fn show(&self, change: &Change) -> Result<(), DoorbellCommandError> {
        print(&format!("and then:\n{}\n", self.shown(change)));
        Ok(())
    }

    fn shown(&self, change: &Change) -> String {
        serde_json::to_string_pretty(&change.shown(&self.client.org().url)).unwrap_or_default()
    }
}
