//! The command line: one file a subcommand.

mod admin_page;
mod check;
mod command;
mod completions;
mod config;
mod core_dump;
mod dead_letters;
#[cfg(feature = "simulator")]
mod demo;
mod doorbell;
mod exit;
mod init;
mod man;
mod open_files;
mod pause;
mod progress;
mod reload;
mod render;
mod replay;
mod run;
mod schema;
mod search;
mod signal;
#[cfg(feature = "simulator")]
mod simulate;
mod span;
mod standing;
mod state;
mod status;
mod table;
mod tail;

use std::{
    error::Error,
    io::{self, Write as _},
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use clap::{Args, Parser, Subcommand};

pub use exit::Exit;

use crate::{
    config::{Config, ConfigError},
    telemetry::{chain, printable_lines},
};

/// Streams an Okta org's System Log to Kafka, NATS JetStream and files without losing an event, and carries out commands
/// about users, groups and apps.
#[derive(Debug, Parser)]
#[command(
    name = "oktabus",
    version,
    long_version = crate::version::long(),
    arg_required_else_help = true,
    after_help = "Examples:
  oktabus demo                                 # a simulated org and the real daemon: no Okta, no broker
  oktabus init                                 # write a first configuration, with what to do in Okta
  oktabus check --config oktabus.toml          # try it against the org and the brokers
  oktabus run --config oktabus.toml
  oktabus status                               # whether all is well, and what to do if not
  oktabus tail --outcome FAILURE               # events as they pass

Manual: `oktabus <COMMAND> --help`, and docs/ in the repository"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon until SIGTERM or SIGINT
    Run(run::RunArguments),
    /// Write a first configuration: asks, or takes flags
    Init(Box<init::InitArguments>),
    /// Show how the running daemon stands, and what to do if not all is well
    Status(status::StatusArguments),
    /// Show how the running daemon stands, again and again
    Top(status::TopArguments),
    /// Show events as the running daemon delivers them
    Tail(tail::TailArguments),
    /// Have a route of the running daemon read nothing more, until `resume`
    Pause(pause::RouteArguments),
    /// Have a paused route go on
    Resume(pause::RouteArguments),
    /// Have the running daemon load its configuration again
    Reload(reload::ReloadArguments),
    /// Check a configuration, the org, every sink and what commands need
    Check(check::CheckArguments),
    /// Show what is set and where, or print the schema of configurations
    Config(config::ConfigArguments),
    /// Describe the messages of a configuration (AsyncAPI or JSON Schema), or print the schema of commands
    Schema(schema::SchemaArguments),
    /// Render events from standard input as a route would
    Render(render::RenderArguments),
    /// Deliver a window of the past again to the sink of a route
    Replay(replay::ReplayArguments),
    /// Search the System Log now, and print or publish the result
    Search(Box<search::SearchArguments>),
    /// Run a command now or put it on the queue, list commands, pause, cancel, release limits
    #[command(name = "command")]
    ByHand(command::CommandArguments),
    /// Make, verify, show or remove the event hooks at Okta that wake streams early
    Doorbell(doorbell::DoorbellArguments),
    /// List, show, retry or drop what could not be delivered or carried out
    DeadLetters(dead_letters::DeadLettersArguments),
    /// Show, verify, export or change the durable state
    State(state::StateArguments),
    /// Run a demo: a simulated org, the real daemon, and live events
    #[cfg(feature = "simulator")]
    Demo(demo::DemoArguments),
    /// Serve a simulated Okta org: its System Log, users, groups and apps
    #[cfg(feature = "simulator")]
    Simulate(okta_simulator::Arguments),
    /// Print completions for a shell
    Completions(completions::CompletionsArguments),
    /// Write man pages
    #[command(hide = true)]
    Man(man::ManArguments),
}

/// Which configuration.
#[derive(Debug, Args)]
struct ConfigArgument {
    /// The configuration file
    #[arg(
        long,
        short,
        value_name = "FILE",
        env = "OKTABUS_CONFIG",
        default_value = "/etc/oktabus/oktabus.toml"
    )]
    config: PathBuf,
}

impl ConfigArgument {
    fn load(&self) -> Result<Config, ConfigError> {
        Config::load(&self.config)
    }

    /// For subcommands that need no secret, and users that cannot read any.
    fn load_without_secrets(&self) -> Result<Config, ConfigError> {
        Config::load_without_secrets(&self.config)
    }
}

/// Runs the program with the process's arguments.
pub fn main() -> Exit {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(err) => {
            return match err.print() {
                _ if err.use_stderr() => Exit::Usage,
                printed => Exit::Done.unless_unprinted(note_print_failure(printed)),
            };
        }
    };
    // Files that this process creates are private to its user, unless the code says otherwise.
    rustix::process::umask(rustix::fs::Mode::from_bits_retain(0o077));
    core_dump::forbid();
    open_files::raise_limit();
    // One TLS provider for the whole process; only a second call could fail, and there is none.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => {
            let exit = runtime.block_on(dispatch(arguments.command));
            // Blocking work has had its time.
            runtime.shutdown_background();
            exit.unless_unprinted(IS_UNPRINTED.load(Ordering::Relaxed))
        }
        Err(err) => fail(Exit::Bug, &err),
    }
}

async fn dispatch(command: Command) -> Exit {
    match command {
        Command::Run(arguments) => run::run(arguments).await,
        Command::Init(arguments) => init::init(*arguments),
        Command::Status(arguments) => status::status(arguments).await,
        Command::Top(arguments) => status::top(arguments).await,
        Command::Tail(arguments) => tail::tail(arguments).await,
        Command::Pause(arguments) => pause::pause(arguments).await,
        Command::Resume(arguments) => pause::resume(arguments).await,
        Command::Reload(arguments) => reload::reload(arguments).await,
        Command::Check(arguments) => check::check(arguments).await,
        Command::Config(arguments) => config::config(&arguments),
        Command::Schema(arguments) => schema::schema(&arguments),
        Command::Render(arguments) => render::render(arguments).await,
        Command::Replay(arguments) => replay::replay(arguments).await,
        Command::Search(arguments) => search::search(*arguments).await,
        Command::ByHand(arguments) => command::command(arguments).await,
        Command::Doorbell(arguments) => doorbell::doorbell(arguments).await,
        Command::DeadLetters(arguments) => dead_letters::dead_letters(arguments).await,
        Command::State(arguments) => state::state(arguments).await,
        #[cfg(feature = "simulator")]
        Command::Demo(arguments) => demo::demo(arguments).await,
        #[cfg(feature = "simulator")]
        Command::Simulate(arguments) => simulate::simulate(arguments).await,
        Command::Completions(arguments) => completions::completions(&arguments),
        Command::Man(arguments) => man::man(&arguments),
    }
}

/// Prints an error with its causes, and returns `exit`.
fn fail(exit: Exit, err: &dyn Error) -> Exit {
    // Nothing more can be done if even this cannot be printed.
    let _ = writeln!(io::stderr(), "oktabus: {}", printable_lines(&chain(err)));
    exit
}

/// Whether a result could not be printed. The program ends with [`Exit::Unprinted`] then, whatever else it did well.
static IS_UNPRINTED: AtomicBool = AtomicBool::new(false);

/// Nobody reads the results any more.
static IS_UNREAD: AtomicBool = AtomicBool::new(false);

/// Whether whoever read the results is gone, as `head` is after its lines: what goes on for as long as somebody reads ends.
fn is_unread() -> bool {
    IS_UNREAD.load(Ordering::Relaxed)
}

/// Prints a result. A closed pipe is no failure; a full disk is one.
fn print(text: &str) {
    let mut stdout = anstream::stdout();
    let printed = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    note_print_failure(printed);
}

/// Reports, once, that a result could not be printed; true if it could not.
fn note_print_failure(printed: io::Result<()>) -> bool {
    match printed {
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => {
            IS_UNREAD.store(true, Ordering::Relaxed);
            false
        }
        Err(err) if err.kind() != io::ErrorKind::BrokenPipe => {
            if !IS_UNPRINTED.swap(true, Ordering::Relaxed) {
                note(&format!("cannot write to standard output: {err}"));
            }
            true
        }
        _ => false,
    }
}

/// Prints a message that is not part of the result, on standard error.
fn note(text: &str) {
    // Nothing more can be done if even this cannot be printed.
    let _ = writeln!(io::stderr(), "oktabus: {}", printable_lines(text));
}
