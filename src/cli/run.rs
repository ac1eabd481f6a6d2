//! `oktabus run`: the daemon.

use std::path::Path;

use clap::Args;

use super::{ConfigArgument, Exit, fail, reload, signal::StopSignals};
use crate::{
    app::{App, Until},
    config::Config,
    telemetry::logging,
};

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// End with 0 once every route has delivered all that Okta had
    #[arg(long)]
    until_caught_up: bool,
}

pub(super) async fn run(arguments: RunArguments) -> Exit {
    let (app, signals) = match prepare(&arguments.config.config).await {
        Ok(prepared) => prepared,
        Err(exit) => return exit,
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        admin = app.admin_address().map(tracing::field::display),
        "oktabus is running"
    );
    let _reloading = match reload::on_hangup(app.watched().clients.clone()) {
        Ok(reloading) => reloading,
        Err(err) => return fail(Exit::Bug, &err),
    };
    let until = if arguments.until_caught_up { Until::CaughtUp } else { Until::Stopped };
    match app.run(until, signals.first()).await {
        Ok(()) => Exit::Done,
        Err(err) => fail(Exit::from(&err), &err),
    }
}

/// Builds the daemon from the configuration `file`, with logging and signals set up. What went wrong has been told.
pub(super) async fn prepare(file: &Path) -> Result<(App, StopSignals), Exit> {
    let config = Config::load(file).map_err(|err| fail(Exit::Usage, &err))?;
    logging::start(&config.runtime.log.level, config.runtime.log.style);
    let signals = StopSignals::listen().map_err(|err| fail(Exit::Bug, &err))?;
    let app = App::build(config).await.map_err(|err| fail(Exit::from(&err), &err))?;
    Ok((app, signals))
}
