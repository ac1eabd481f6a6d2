//! `oktabus demo`: a simulated org, the real daemon, and events arriving.

mod layout;

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use okta_simulator::{Options, Simulator};

use super::{
    Exit, fail, print,
    run::prepare,
    standing::{Standing, route_lines},
};
use crate::{app::Until, overview::DaemonView};
use layout::Layout;

#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    /// Also publish to this Kafka cluster, topic `okta.demo`
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// Also publish to this NATS server, stream `OKTA_DEMO`, which is created if it does not exist
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
    /// Events in the log at the start
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    backlog: usize,
    /// New events per second
    #[arg(long, value_name = "N", default_value_t = 3.0)]
    rate: f64,
    /// The directory for files and state [default: a new temporary directory]
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Stop after this many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
}

/// The simulated org has a high rate limit, so that the backlog arrives quickly.
const REQUESTS_A_MINUTE: u32 = 1_200;
const REFRESH: Duration = Duration::from_secs(3);

pub(super) async fn demo(arguments: DemoArguments) -> Exit {
    let options = Options {
        listen: ([127, 0, 0, 1], 0).into(),
        backlog: arguments.backlog,
        rate: arguments.rate,
        rate_limit: REQUESTS_A_MINUTE,
        // A broker that has messages of an earlier demo would drop the same events as duplicates.
        story_seed: Some(fastrand::u64(..)),
        ..Options::default()
    };
    let simulator = match Simulator::start(options).await {
        Ok(simulator) => simulator,
        Err(err) => return fail(Exit::Unavailable, &err),
    };
    let layout = match Layout::write(&arguments, simulator.url()) {
        Ok(layout) => layout,
        Err(err) => return fail(Exit::Usage, &err),
    };
    let exit = run(&layout, &simulator, arguments.seconds).await;
    simulator.stop().await;
    exit
}

async fn run(layout: &Layout, simulator: &Simulator, seconds: Option<u64>) -> Exit {
    let (app, signals) = match prepare(&layout.config_file(), None).await {
        Ok(prepared) => prepared,
        Err(exit) => return exit,
    };
    print(&layout.greeting(simulator.url(), app.admin_address()));
    let view = app.view();
    let shutdown = async {
        tokio::select! {
            () = signals.first() => {}
            () = pass(seconds) => {}
            () = refresh(Arc::clone(&view)) => {}
        }
    };
    let ended = app.run(Until::Stopped, shutdown).await;
    print(&layout.farewell(&view.snapshots()));
    match ended {
        Ok(()) => Exit::Done,
        Err(err) => fail(Exit::from(&err), &err),
    }
}

async fn pass(seconds: Option<u64>) {
    match seconds {
        Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
        None => std::future::pending().await,
    }
}

/// Prints the status of the routes until it is dropped.
async fn refresh(view: Arc<DaemonView>) {
    loop {
        tokio::time::sleep(REFRESH).await;
        if let Some(standing) = Standing::of(&view.overview()) {
            print(&route_lines(&standing));
        }
    }
}
