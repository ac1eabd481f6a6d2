//! `oktabus doorbell`: the event hooks at Okta that ring for an org, made, verified, shown and removed.

mod changes;
mod ownership;
mod plan;
mod standing;
mod wanted;

use clap::{Args, Subcommand};
use okta_client::{
    Client, OktaError, Scope,
    event_hooks::{self, EventHook},
};
use secrecy::SecretString;
use url::Url;

use super::{ConfigArgument, Exit, fail, note, print, table::table};
use crate::{
    app::{self, UnusableOrg},
    config::{Config, ConfigError, HookConfig, RingSource, SecretError, UnfitPublicUrl, public_url},
    remedy::remedy,
    telemetry::chain,
};
use changes::Changes;
use ownership::{SortedHooks, description};
use plan::{HookPlan, PlanError};
use standing::{HookStanding, ShownHook, is_at, shown_uri};
use wanted::WantedTypes;

#[derive(Debug, Args)]
pub(super) struct DoorbellArguments {
    #[command(subcommand)]
    command: DoorbellCommand,
}

#[derive(Debug, Subcommand)]
enum DoorbellCommand {
    /// Make the event hooks that the routes of an org want, or bring them up to date, and verify them
    Register {
        #[command(flatten)]
        which: WhichHooks,
        /// Where Okta reaches the listener [default: doorbell.public_url]
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        /// Only show the requests
        #[arg(long)]
        dry_run: bool,
    },
    /// Let Okta verify the hooks again; the daemon must be running
    Verify {
        #[command(flatten)]
        which: WhichHooks,
    },
    /// Deactivate and delete the hooks
    Remove {
        #[command(flatten)]
        which: WhichHooks,
        /// Only show the requests
        #[arg(long)]
        dry_run: bool,
    },
    /// Show the hooks
    Status {
        #[command(flatten)]
        which: WhichHooks,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Which hooks of which org.
#[derive(Debug, Args)]
struct WhichHooks {
    #[command(flatten)]
    config: ConfigArgument,
    /// The org, if several have a doorbell
    #[arg(long, value_name = "NAME")]
    org: Option<String>,
    /// What the hooks are called at Okta; further ones have a number after it [default: oktabus ORG]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// Why nothing could be done.
#[derive(Debug, thiserror::Error)]
enum DoorbellCommandError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Client(#[from] UnusableOrg),
    #[error("no org has a doorbell for event hooks: set `orgs.NAME.doorbell`, see docs/doorbell.md")]
    NoDoorbell,
    #[error("say which with --org: {0} have doorbells for event hooks")]
    WhichOrg(String),
    #[error("the org `{org}` has no doorbell for event hooks; there are: {known}")]
    UnknownOrg { org: String, known: String },
    #[error("where does Okta reach the listener? Set `doorbell.public_url`, or give --url https://…")]
    NoUrl,
    #[error("--url")]
    UnfitUrl(#[from] UnfitPublicUrl),
    #[error("orgs.{org}.doorbell.secret")]
    Secret { org: String, source: SecretError },
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("cannot {action}{hint}")]
    Okta {
        /// What was to be done.
        action: String,
        /// What to do, if that is known.
        hint: String,
        source: OktaError,
    },
    #[error(
        "Okta cannot verify `{name}` at {uri}. Either it does not reach the daemon: the daemon must be running with this \
         configuration and be reached from the internet at this address, with a certificate that Okta trusts; then `oktabus \
         doorbell verify`. Or Okta has another secret than the daemon: then `oktabus doorbell register`, which gives it that \
         of the configuration; the daemon reads a changed file within {} s",
        crate::doorbell::REFRESH_EVERY.as_secs()
    )]
    Unverified { name: String, uri: String, source: OktaError },
}

impl From<&DoorbellCommandError> for Exit {
    fn from(err: &DoorbellCommandError) -> Self {
        match err {
            DoorbellCommandError::Okta { .. } => Self::Unavailable,
            DoorbellCommandError::Unverified { .. } | DoorbellCommandError::Plan(_) => Self::Failed,
            _ => Self::Usage,
        }
    }
}

/// An org with its doorbell, and the way to its hooks.
struct Scene {
    config: Config,
    org: String,
    name: String,
    hook: HookConfig,
    client: Client,
}

pub(super) async fn doorbell(arguments: DoorbellArguments) -> Exit {
    let done = match arguments.command {
        DoorbellCommand::Register { which, url, dry_run } => register(&which, url, dry_run).await,
        DoorbellCommand::Verify { which } => verify(&which).await,
        DoorbellCommand::Remove { which, dry_run } => remove(&which, dry_run).await,
        DoorbellCommand::Status { which, json } => status(&which, json).await,
    };
    match done {
        Ok(exit) => exit,
        Err(err) => fail(Exit::from(&err), &err),
    }
}

async fn register(
    which: &WhichHooks,
    url: Option<String>,
    dry_run: bool,
) -> Result<Exit, DoorbellCommandError> {
    let scene = Scene::open(which, Scope::EventHooksManage)?;
    let uri = scene.uri(url.as_deref())?;
    let secret = scene.secret().await?;
    let WantedTypes { hookable, silent } = WantedTypes::of(&scene.config, &scene.org);
    let existing = scene.hooks().await?;
    let sorted = SortedHooks::new(&scene.name, &existing);
    let plan = HookPlan::new(&scene.name, hookable.iter().copied(), &sorted)?;
    tell_namesakes(&sorted);
    for hook in sorted.all_own().into_iter().filter(|hook| !is_at(hook, &uri)) {
        note(&format!(
            "`{}` is sent to {}, and from now on to {uri}: if another daemon is there, give each its own --name",
            hook.name,
            shown_uri(hook.uri())
        ));
    }
    if silent > 0 {
        note(&format!(
            "{} event types will ring; Okta lets no hook have {silent} others that the routes want: these come with the next poll",
            hookable.len()
        ));
    }
    let changes = Changes { client: &scene.client, dry_run };
    let description = description(&scene.name);
    for planned in &plan.hooks {
        let settings = event_hooks::EventHookSettings {
            name: &planned.name,
            description: &description,
            event_types: &planned.event_types,
            uri: &uri,
            header: &scene.hook.header,
            secret: &secret,
        };
        changes.register(&settings, planned.existing.as_deref()).await?;
    }
    for (id, (name, is_active)) in &plan.surplus {
        changes.remove(id, name, *is_active).await?;
    }
    Ok(Exit::Done)
}

async fn verify(which: &WhichHooks) -> Result<Exit, DoorbellCommandError> {
    let scene = Scene::open(which, Scope::EventHooksManage)?;
    let hooks = scene.hooks().await?;
    let sorted = SortedHooks::new(&scene.name, &hooks);
    tell_namesakes(&sorted);
    let own = sorted.all_own();
    if own.is_empty() {
        note(&format!(
            "there is no event hook called `{}` of this doorbell: `oktabus doorbell register` makes it",
            scene.name
        ));
        return Ok(Exit::Failed);
    }
    let changes = Changes { client: &scene.client, dry_run: false };
    let wanted = scene.configured_uri();
    let mut exit = Exit::Done;
    for hook in own {
        // However well it is verified, such a hook does not ring here.
        if let Some(need) = HookStanding::of(hook, wanted.as_ref()).need_of_register(hook, wanted.as_ref()) {
            note(&need);
            exit = Exit::Failed;
            continue;
        }
        changes.verify(&hook.id, &hook.name, &shown_uri(hook.uri())).await?;
    }
    Ok(exit)
}

async fn remove(which: &WhichHooks, dry_run: bool) -> Result<Exit, DoorbellCommandError> {
    let scene = Scene::open(which, Scope::EventHooksManage)?;
    let hooks = scene.hooks().await?;
    let sorted = SortedHooks::new(&scene.name, &hooks);
    tell_namesakes(&sorted);
    let own = sorted.all_own();
    if own.is_empty() {
        note(&format!("there is no event hook called `{}` of this doorbell", scene.name));
    }
    let changes = Changes { client: &scene.client, dry_run };
    for hook in own {
        changes.remove(&hook.id, &hook.name, hook.is_active()).await?;
    }
    Ok(Exit::Done)
}

/// Exit code 1 if not all is well: there is none, or one that Okta does not send here.
async fn status(which: &WhichHooks, json: bool) -> Result<Exit, DoorbellCommandError> {
    let mut scene = Scene::open(which, Scope::EventHooksRead)?;
    let hooks = match scene.hooks().await {
        // To whom changes are granted, reading alone may not be.
        Err(DoorbellCommandError::Okta { source, .. }) if source.is_ungranted_scope() => {
            scene = Scene::open(which, Scope::EventHooksManage)?;
            scene.hooks().await?
        }
        found => found?,
    };
    let sorted = SortedHooks::new(&scene.name, &hooks);
    let own = sorted.all_own();
    let wanted = scene.configured_uri();
    let standing = |hook: &EventHook| HookStanding::of(hook, wanted.as_ref());
    if json {
        let shown: Vec<_> = own.iter().map(|hook| ShownHook::new(hook, wanted.as_ref())).collect();
        print(&(serde_json::to_string_pretty(&shown).unwrap_or_default() + "\n"));
    } else {
        let mut rows = vec![["name", "id", "status", "event types", "address"].map(str::to_owned).to_vec()];
        rows.extend(own.iter().map(|hook| row(hook, standing(hook))));
        print(&table(&rows));
        own.iter()
            .filter_map(|hook| standing(hook).remedy(hook, wanted.as_ref()))
            .for_each(|text| note(&text));
        tell_namesakes(&sorted);
        tell_difference(&scene, &own);
    }
    let is_well = !own.is_empty() && own.iter().all(|hook| standing(hook) == HookStanding::Rings);
    Ok(if is_well { Exit::Done } else { Exit::Failed })
}

fn row(hook: &EventHook, standing: HookStanding) -> Vec<String> {
    let (count, uri) = (hook.event_types().len().to_string(), shown_uri(hook.uri()));
    [&hook.name, &hook.id, standing.name(), &count, &uri].map(str::to_owned).to_vec()
}

/// Hooks of others that could be taken for ours.
fn tell_namesakes(sorted: &SortedHooks<'_>) {
    for hook in sorted.namesakes() {
        note(&format!(
            "the event hook `{}` ({}) was not made by this doorbell, and is left alone",
            hook.name, hook.id
        ));
    }
}

fn tell_difference(scene: &Scene, own: &[&EventHook]) {
    let wanted = WantedTypes::of(&scene.config, &scene.org).hookable;
    let told: std::collections::BTreeSet<_> =
        own.iter().flat_map(|hook| hook.event_types()).map(String::as_str).collect();
    let (missing, more) = (wanted.difference(&told).count(), told.difference(&wanted).count());
    if missing + more > 0 {
        note(&format!(
            "the routes want {missing} event types that do not ring, and {more} ring that none wants: `oktabus doorbell register`"
        ));
    }
}

impl Scene {
    /// Needs `scope` for a service app, and nothing else.
    fn open(which: &WhichHooks, scope: Scope) -> Result<Self, DoorbellCommandError> {
        let config = which.config.load()?;
        let (org, hook) = chosen(&config, which.org.as_deref())?;
        // Loading the configuration has checked that it exists.
        let mut settings = config.orgs.get(&org).cloned().ok_or(DoorbellCommandError::NoDoorbell)?;
        settings.scopes = [scope].into();
        let client = app::client(settings)?;
        let name = which.name.clone().unwrap_or_else(|| format!("oktabus {org}"));
        Ok(Self { config, org, name, hook, client })
    }

    /// Where Okta is to send the hooks of the org.
    fn uri(&self, given: Option<&str>) -> Result<Url, DoorbellCommandError> {
        match given {
            Some(given) => Ok(self.under(public_url(given)?)),
            None => self.configured_uri().ok_or(DoorbellCommandError::NoUrl),
        }
    }

    /// The same, if the configuration says it.
    fn configured_uri(&self) -> Option<Url> {
        let listener = self.config.doorbells.listener.as_ref()?;
        Some(self.under(listener.public_url.clone()?))
    }

    /// The path of the org below the address of the listener.
    fn under(&self, mut uri: Url) -> Url {
        let path = format!("{}{}", uri.path().trim_end_matches('/'), self.hook.path);
        uri.set_path(&path);
        uri
    }

    async fn secret(&self) -> Result<SecretString, DoorbellCommandError> {
        let secret = self.hook.secret.clone();
        let reading = tokio::task::spawn_blocking(move || secret.read_line());
        let read = reading.await.unwrap_or(Err(SecretError::Interrupted));
        read.map_err(|source| DoorbellCommandError::Secret { org: self.org.clone(), source })
    }

    /// All hooks of the org.
    async fn hooks(&self) -> Result<Vec<EventHook>, DoorbellCommandError> {
        let url = self.client.url_of(&event_hooks::all());
        let found = self.client.look_up(&url).await;
        Ok(found.map_err(|source| failed("list the event hooks of the org", source))?.body)
    }
}

fn chosen(config: &Config, wanted: Option<&str>) -> Result<(String, HookConfig), DoorbellCommandError> {
    let hooks = config.doorbells.orgs.iter().filter_map(|(org, source)| match source {
        RingSource::Hook(hook) => Some((org.clone(), hook.clone())),
        RingSource::Nats { .. } => None,
    });
    let mut hooks: Vec<_> = hooks.collect();
    let known = hooks.iter().map(|(org, _)| org.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(wanted) = wanted {
        let found = hooks.into_iter().find(|(org, _)| org == wanted);
        return found.ok_or_else(|| DoorbellCommandError::UnknownOrg { org: wanted.to_owned(), known });
    }
    match hooks.len() {
        1 => hooks.pop().ok_or(DoorbellCommandError::NoDoorbell),
        0 => Err(DoorbellCommandError::NoDoorbell),
        _ => Err(DoorbellCommandError::WhichOrg(known)),
    }
}

/// A request that failed, with what to do about it.
fn failed(action: &str, source: OktaError) -> DoorbellCommandError {
    let hint = if source.is_ungranted_scope() || source.status() == Some(403) {
        ": it takes the scope okta.eventHooks.manage (to show them, okta.eventHooks.read) granted to the app, and the role of a \
         super administrator"
            .to_owned()
    } else if source.is_ambiguous() {
        ", and it is not known whether it was done: `oktabus doorbell status` shows what there is".to_owned()
    } else {
        // Advice about filters and routes is of no use here.
        let advice = remedy(&source).filter(|_| source.status() != Some(400));
        advice.map(|advice| format!(": {advice}")).unwrap_or_default()
    };
    tracing::debug!(error = chain(&source), action, "a request about event hooks has failed");
    DoorbellCommandError::Okta { action: action.to_owned(), hint, source }
}
