//! What commands need: the org's answers, the queue, the places of outcomes and of the audit, and those who are protected.
//! Changes nothing anywhere.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use okta_client::{Client, OktaError, Scope, Target, apps, groups, users, zones};
use serde::de::IgnoredAny;

use super::{
    Row, ask_log, failed_row,
    scopes::{self, MissingScopes},
};
use crate::{
    app::clients,
    bus::Finding,
    command::{ActionFailure, execute::Executor, intake::Intake, policy::Signatures, publisher},
    config::{AuditConfig, CommandsConfig, Config, DestinationConfig},
    sink::file::{WriterError, require_appendable},
    telemetry::chain,
};

/// What a configuration says of commands, in words.
pub(super) fn in_words(commands: &CommandsConfig) -> impl Iterator<Item = Row> {
    let what = what(commands);
    commands.in_words().into_iter().map(move |text| Row::good(what.clone(), text))
}

/// Asks the org for one of each kind of thing that `commands` look at.
pub(super) async fn check_access(config: &Config, commands: &CommandsConfig, client: &Client) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut seen = Vec::new();
    for scope in commands.scopes() {
        let (name, asked) = match scope {
            Scope::LogsRead => ("the log", ask_log(client, None).await),
            Scope::UsersRead | Scope::UsersManage => ("users", ask(client, &users::any()).await),
            Scope::GroupsRead | Scope::GroupsManage => ("groups", ask(client, &groups::any()).await),
            Scope::AppsManage => ("apps", ask(client, &apps::any()).await),
            Scope::NetworkZonesManage => ("network zones", ask(client, &zones::any()).await),
            // Roles are some user's, and no command asks for event hooks.
            Scope::EventHooksRead | Scope::EventHooksManage | Scope::RolesManage => continue,
        };
        match asked {
            Ok(()) => seen.push(name),
            Err(err) if err.is_ungranted_scope() && scope == Scope::LogsRead => {
                let lacking = MissingScopes::of(commands, &BTreeSet::from([scope]));
                let text = format!("the app is not granted {}: {}", lacking.scopes(), lacking.remedy());
                rows.push(Row::bad(what(commands), text));
            }
            // All other requests use the same token.
            Err(err) if err.is_ungranted_scope() => {
                rows.push(ungranted_row(config, commands, &err).await);
                break;
            }
            Err(err) => {
                rows.push(failed_row(what(commands), &err));
                // An org that does not answer would not answer the next request either.
                if err.status().is_none() {
                    break;
                }
            }
        }
    }
    if !seen.is_empty() {
        let text = format!("{} answers, and shows {}", client.org().url, seen.join(", "));
        rows.insert(0, Row::good(what(commands), text));
    }
    rows
}

/// Which scopes the app lacks, what needs them, and what does without.
async fn ungranted_row(config: &Config, commands: &CommandsConfig, refusal: &OktaError) -> Row {
    let lacking = match ungranted(config, commands).await {
        Ok(Some(ungranted)) => MissingScopes::of(commands, &ungranted),
        Ok(None) => return failed_row(what(commands), refusal),
        Err(reason) => return Row::bad(what(commands), reason),
    };
    Row::bad(
        what(commands),
        format!(
            "the app is not granted {}, and Okta gives no token for the others without, so no command is carried out: {}",
            lacking.scopes(),
            lacking.remedy()
        ),
    )
}

/// The scopes that `commands` may need, without the log's, and that the app is not granted; none if that is not why
/// there is no token.
async fn ungranted(config: &Config, commands: &CommandsConfig) -> Result<Option<BTreeSet<Scope>>, String> {
    let mut wider = config.clone();
    if let Some(org) = wider.orgs.get_mut(&commands.org) {
        org.scopes = scopes::possible(commands);
    }
    let clients = clients(&wider).map_err(|err| chain(&err))?;
    let Some(client) = clients.get(&commands.org) else { return Ok(None) };
    let ungranted = client.ungranted_scopes().await.map_err(|err| chain(&err))?;
    Ok(Some(ungranted.into_iter().collect()).filter(|ungranted: &BTreeSet<_>| !ungranted.is_empty()))
}

async fn ask(client: &Client, target: &Target) -> Result<(), OktaError> {
    client.look_up::<IgnoredAny>(&client.url_of(target)).await.map(drop)
}

/// Looks up the users and groups that `commands` protect: while one is not found, every change waits.
pub(super) async fn check_protected(commands: &CommandsConfig, client: &Arc<Client>) -> Vec<Row> {
    let executor = Executor::new(Arc::<Client>::clone(client));
    let mut rows = Vec::new();
    for name in &commands.protect.groups {
        let found = async {
            let group = executor.find_group(name).await?;
            let Some(id) = group.and_then(|group| group.id) else { return Ok(None) };
            Ok(Some((executor.members_of(&id).await?.len(), id)))
        };
        rows.push(match found.await {
            Ok(Some((members, id))) => Row::good(
                what(commands),
                format!("the protected group {name} is {id}, with {members} member(s)"),
            ),
            Ok(None) => Row::bad(
                what(commands),
                format!(
                    "there is no group `{name}`, which `protect` names: nothing is changed until there is; correct the name, or \
                     create the group"
                ),
            ),
            Err(failed) => Row::bad(what(commands), failed_text(failed)),
        });
    }
    for name in &commands.protect.users {
        rows.push(match executor.find_protected(name).await {
            Ok(found) => match found.as_slice() {
                [] => Row::bad(
                    what(commands),
                    format!(
                        "there is no user `{name}`, whom `protect` names: nothing is changed until there is, unless one \
                         was found once; name them by id or login"
                    ),
                ),
                [user] => {
                    let id = user.id.as_deref().unwrap_or_default();
                    Row::good(what(commands), format!("the protected user {name} is {id}"))
                }
                several => Row::warning(
                    what(commands),
                    format!("`{name}` may be any of {} users, who are all protected: name one by id or login", several.len()),
                ),
            },
            Err(failed) => Row::bad(what(commands), failed_text(failed)),
        });
    }
    for name in &commands.protect.apps {
        rows.push(match executor.find_apps(name).await {
            Ok(ids) if ids.is_empty() => Row::bad(
                what(commands),
                format!(
                    "there is no app `{name}`, which `protect` names: nothing is changed until there is; correct the label, or \
                     give the id"
                ),
            ),
            Ok(ids) => {
                let ids = ids.into_iter().collect::<Vec<_>>().join(", ");
                Row::good(what(commands), format!("the protected app {name} is {ids}"))
            }
            Err(failed) => Row::bad(what(commands), failed_text(failed)),
        });
    }
    rows
}

/// Whether several names in `keys` are one key, whose owner could then count as two.
pub(super) async fn check_keys(commands: &CommandsConfig) -> Vec<Row> {
    let config = commands.clone();
    let read = tokio::task::spawn_blocking(move || Signatures::read(&config)).await;
    // An unreadable key is reported with the configuration.
    let Ok(Ok(signatures)) = read else { return Vec::new() };
    let row = |(first, second)| {
        let text = format!(
            "the keys `{first}` and `{second}` of `signature.keys` are one key: it cannot approve what either has signed; \
             give each sender a key of their own"
        );
        Row::warning(what(commands), text)
    };
    signatures.twins().into_iter().map(row).collect()
}

/// Looks at the queue, and at where outcomes and the audit go.
pub(super) async fn check_places(commands: &CommandsConfig, state: &Path) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some(intake) = &commands.intake {
        rows.push(match Intake::check(intake, "the queue").await {
            Ok(text) => Row::good(what(commands), format!("the queue: {text}")),
            Err(err) => Row::bad(what(commands), chain(&err)),
        });
    }
    rows.extend(check_destination(commands, "outcomes", &commands.outcomes).await);
    rows.extend(check_private_replies(commands).await);
    match &commands.audit {
        AuditConfig::Sink(destination) => {
            rows.extend(check_destination(commands, "the audit", destination).await);
        }
        AuditConfig::File(file) => rows.extend(check_audit_file(commands, &file.path, state).await),
    }
    rows
}

/// Whether the audit can be written. A missing file in the state directory is created by the state.
async fn check_audit_file(commands: &CommandsConfig, file: &Path, state: &Path) -> Option<Row> {
    if file.starts_with(state) && file.symlink_metadata().is_err() {
        return None;
    }
    let path = file.to_owned();
    let looked = tokio::task::spawn_blocking(move || require_appendable(&path)).await;
    let looked = looked.unwrap_or_else(|err| Err(WriterError::interrupted(err)));
    Some(match looked {
        Ok(()) => Row::good(what(commands), format!("the audit {} can be written", file.display())),
        Err(err) => Row::bad(what(commands), chain(&err.in_sink("the audit"))),
    })
}

async fn check_destination(commands: &CommandsConfig, of: &str, destination: &DestinationConfig) -> Vec<Row> {
    let addresses = destination.addresses(&commands.org);
    match publisher::check(&destination.sink, &addresses).await {
        Ok(findings) => findings.into_iter().map(|finding| found(commands, of, finding)).collect(),
        Err(err) => vec![Row::bad(what(commands), format!("{of}: {}", chain(&err)))],
    }
}

/// Whether private addresses are private on the server, which may have streams that the configuration does not name.
async fn check_private_replies(commands: &CommandsConfig) -> Vec<Row> {
    let reveal = &commands.reveal;
    if commands.intake.is_none() || reveal.private.is_empty() {
        return Vec::new();
    }
    match publisher::check_private(&commands.outcomes.sink, &reveal.private, &reveal.stored_in).await {
        Ok(findings) => {
            findings.into_iter().map(|finding| found(commands, "private replies", finding)).collect()
        }
        Err(err) => vec![Row::bad(what(commands), format!("private replies: {}", chain(&err)))],
    }
}

fn found(commands: &CommandsConfig, of: &str, Finding { is_warning, text }: Finding) -> Row {
    let row = if is_warning { Row::warning } else { Row::good };
    row(what(commands), format!("{of}: {text}"))
}

fn what(commands: &CommandsConfig) -> String {
    format!("commands {}", commands.name)
}

fn failed_text(failed: ActionFailure) -> String {
    let remedy = failed.error.remedy.map(|remedy| format!(": {remedy}")).unwrap_or_default();
    format!("{}{remedy}", failed.error.message)
}
