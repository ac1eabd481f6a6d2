//! `oktabus simulate`: an Okta org to run against.

use okta_simulator::{Arguments, Simulator};

use super::{Exit, fail, print, signal::StopSignals};

pub(super) async fn simulate(arguments: Arguments) -> Exit {
    let mut signals = match StopSignals::listen() {
        Ok(signals) => signals,
        Err(err) => return fail(Exit::Bug, &err),
    };
    let simulator = match Simulator::start(arguments.into()).await {
        Ok(simulator) => simulator,
        Err(err) => return fail(Exit::Usage, &err),
    };
    print(&format!(
        "A simulated Okta org answers on {url}\nTry: curl -H 'Authorization: SSWS any' '{url}api/v1/logs?limit=1'\n",
        url = simulator.url()
    ));
    signals.next().await;
    simulator.stop().await;
    Exit::Done
}
