//! `okta-simulator`: a simulated Okta org, until SIGTERM or SIGINT.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use okta_simulator::{Arguments, Simulator};
use tokio::signal::unix::{SignalKind, signal};

/// A simulated Okta org to run and to test against
#[derive(Debug, Parser)]
#[command(version)]
struct CommandLine {
    #[command(flatten)]
    arguments: Arguments,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Err(err) = serve(CommandLine::parse().arguments).await else { return ExitCode::SUCCESS };
    // Without standard error the message is lost.
    let _ = writeln!(io::stderr(), "okta-simulator: {err}");
    ExitCode::FAILURE
}

async fn serve(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let simulator = Simulator::start(arguments.into()).await?;
    writeln!(io::stdout(), "A simulated Okta org answers on {}", simulator.url())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    simulator.stop().await;
    Ok(())
}
