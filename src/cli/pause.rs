//! `oktabus pause`, `oktabus resume`: has a route of the running daemon read nothing more, or go on.

use clap::Args;

use super::{ConfigArgument, Exit, fail, print, status::connect};
use crate::{
    control::{Client, ControlError, NamedRoute, RouteChange},
    telemetry::printable,
};

#[derive(Debug, Args)]
#[command(
    after_help = "What was read is still delivered; events wait at Okta, for 90 days. A pause outlives a restart. Commands are paused with \
                  `oktabus command pause`.

Exit codes: 0 it is so; 1 there is no such route, or it could not be kept; 69 no daemon runs.

Examples:
  oktabus pause okta/siem --reason \"the SIEM is being upgraded\"
  oktabus resume okta/siem"
)]
pub(super) struct RouteArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// The route, as `oktabus status` names it
    route: String,
    /// Why, for the log, the audit and the status page
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Has the route read nothing more.
pub(super) async fn pause(arguments: RouteArguments) -> Exit {
    change("/routes/pause", arguments).await
}

/// Has the route go on.
pub(super) async fn resume(arguments: RouteArguments) -> Exit {
    change("/routes/resume", arguments).await
}

async fn change(path: &str, arguments: RouteArguments) -> Exit {
    let RouteArguments { config, route, reason } = arguments;
    let mut daemon = match connect(&config).await {
        Ok(daemon) => daemon,
        Err(exit) => return exit,
    };
    match ask(&mut daemon, path, &NamedRoute { route, reason }).await {
        Ok(RouteChange { done }) => {
            print(&format!("{}\n", printable(&done)));
            Exit::Done
        }
        Err(err @ ControlError::Refused { .. }) => fail(Exit::Failed, &err),
        Err(err) => fail(Exit::Unavailable, &err),
    }
}

async fn ask(daemon: &mut Client, path: &str, named: &NamedRoute) -> Result<RouteChange, ControlError> {
    daemon.post(path, named).await?.only().await
}
