//! `oktabus run`: the daemon.

use std::{path::Path, sync::Arc};

use clap::Args;
use jiff::Timestamp;

use super::{
    ConfigArgument, Exit, fail, reload,
    signal::{self, StopSignals},
    state::{fail_state, point_in_time},
};
use crate::{
    app::{self, App, AppError, Recovery, ReloadSource, Until},
    command::engine::EngineError,
    config::Config,
    route::RouteError,
    search::SearchError,
    systemd::ServiceManager,
    telemetry::logging,
};

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Exit with 0 when every route has delivered all events that Okta had; commands are not executed
    #[arg(long)]
    until_caught_up: bool,
    /// Recover a state that was refused: witness, store, since=TIME or now
    #[arg(long, value_name = "WAY", value_parser = parse_recovery)]
    recover: Option<Recovery>,
}

fn parse_recovery(way: &str) -> Result<Recovery, String> {
    match way.split_once('=') {
        None if way == "witness" => Ok(Recovery::Witness),
        None if way == "store" => Ok(Recovery::Store),
        None if way == "now" => Ok(Recovery::Since(Timestamp::now())),
        Some(("since", time)) => point_in_time(time).map(Recovery::Since),
        _ => Err("the ways are witness, store, since=TIME and now".to_owned()),
    }
}

pub(super) async fn run(arguments: RunArguments) -> Exit {
    let hangup = match reload::listen() {
        Ok(hangup) => hangup,
        Err(err) => return fail(Exit::Bug, &err),
    };
    let (mut app, signals) = match prepare(&arguments.config.config, arguments.recover).await {
        Ok(prepared) => prepared,
        Err(exit) => return exit,
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        admin = app.admin_address().map(tracing::field::display),
        doorbell = app.doorbell_address().map(tracing::field::display),
        purpose = app.purpose(),
        "oktabus is running"
    );
    let _telling = match signal::tell_on_user_signals(app.asked()) {
        Ok(telling) => telling,
        Err(err) => return fail(Exit::Bug, &err),
    };
    let (manager, purpose) = (Arc::new(ServiceManager::of_environment()), app.purpose());
    app.reload_from(ReloadSource { file: arguments.config.config.clone(), manager: Arc::clone(&manager) });
    let _reloading = reload::on_hangup(hangup, app.reloads());
    let until = if arguments.until_caught_up { Until::CaughtUp } else { Until::Stopped };
    manager.ready(&purpose);
    let view = app.view();
    let _alive = manager.keep_alive(move || view.alive().is_empty());
    let stopped = async move {
        signals.first().await;
        manager.stopping();
    };
    match app.run(until, stopped).await {
        Ok(()) => Exit::Done,
        Err(err) => refuse(&err, &arguments.config.config),
    }
}

/// Builds the daemon from the configuration `file`, with logging and signals set up. Errors have been printed.
pub(super) async fn prepare(file: &Path, recovery: Option<Recovery>) -> Result<(App, StopSignals), Exit> {
    let config = Config::load(file).map_err(|err| fail(Exit::Usage, &err))?;
    logging::start(&config.runtime.log.level, config.runtime.log.style);
    app::warn(&config);
    let mut signals = StopSignals::listen().map_err(|err| fail(Exit::Bug, &err))?;
    let app = tokio::select! {
        app = App::build(config, recovery) => app.map_err(|err| refuse(&err, file))?,
        // It may wait for its disk.
        () = signals.next() => return Err(Exit::Done),
    };
    Ok((app, signals))
}

fn refuse(err: &AppError, file: &Path) -> Exit {
    match err {
        AppError::State(err)
        | AppError::Commands(EngineError::State(err))
        | AppError::Route(RouteError::State(err))
        | AppError::Search(SearchError::State(err) | SearchError::Route(RouteError::State(err))) => {
            fail_state(err, file)
        }
        _ => fail(Exit::from(err), err),
    }
}
