//! The files of the demo, and the texts about them.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anstyle::{AnsiColor, Effects, Style};
use url::Url;

use super::DemoArguments;
use crate::route::Snapshot;

/// The configuration from the repository.
const CONFIG: &str = include_str!("../../../config/demo.toml");

const BOLD: Style = Style::new().effects(Effects::BOLD);
const WARNING: Style = AnsiColor::Yellow.on_default();
const ACCENT: Style = AnsiColor::Cyan.on_default();

/// An active user of the simulated org, whose people depend on the seed alone.
const SOMEBODY: &str = "ada.nguyn.109@acme.example";

/// The folder of the demo: the configuration, a fragment with the settings of this run, state and archive.
#[derive(Debug)]
pub(super) struct Layout {
    directory: PathBuf,
    kafka: Option<String>,
    nats: Option<String>,
}

/// The folder cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to {path}")]
pub(super) struct LayoutError {
    path: PathBuf,
    source: io::Error,
}

impl Layout {
    pub(super) fn write(arguments: &DemoArguments, simulator: &Url) -> Result<Self, LayoutError> {
        let in_temporary = || std::env::temp_dir().join(format!("oktabus-demo-{}", std::process::id()));
        let directory = arguments.directory.clone().unwrap_or_else(in_temporary);
        let layout = Self { directory, kafka: arguments.kafka.clone(), nats: arguments.nats.clone() };
        let fragment = layout.fragment(simulator);
        let fragments = layout.directory.join("conf.d");
        let written = fs::create_dir_all(&fragments)
            .and_then(|()| fs::write(layout.config_file(), CONFIG))
            .and_then(|()| fs::write(fragments.join("today.toml"), fragment));
        written.map_err(|source| LayoutError { path: layout.directory.clone(), source })?;
        Ok(layout)
    }

    pub(super) fn config_file(&self) -> PathBuf {
        self.directory.join("demo.toml")
    }

    fn archive(&self) -> PathBuf {
        self.directory.join("archive")
    }

    fn fragment(&self, simulator: &Url) -> String {
        let text = |path: &Path| toml_string(&path.to_string_lossy());
        let mut routes = vec![r#"{ sink = "files" }"#];
        let mut buses = String::new();
        if let Some(broker) = &self.kafka {
            routes.push(r#"{ sink = "kafka" }"#);
            let broker = toml_string(broker);
            buses.push_str(&format!(
                "[buses.kafka]\nkind = \"kafka\"\nbrokers = [{broker}]\n\n\
                 [sinks.kafka]\nkind = \"kafka\"\ntopic = \"okta.demo\"\n\n"
            ));
        }
        if let Some(server) = &self.nats {
            routes.push(r#"{ sink = "nats" }"#);
            let server = toml_string(server);
            buses.push_str(&format!(
                "[buses.nats]\nkind = \"nats\"\nservers = [{server}]\n\n\
                 [sinks.nats]\nkind = \"nats\"\nstream = \"OKTA_DEMO\"\nsubject = \"okta-demo.{{event_type}}\"\ncreate = {{ max_age = \"1d\" }}\n\n"
            ));
        }
        format!(
            "orgs.demo.url = {url}\nstate.path = {state}\nsinks.files.directory = {archive}\n\
             admin.listen = \"127.0.0.1:0\"\nstreams.archive.routes = [{routes}]\n\n{buses}",
            url = toml_string(simulator.as_str()),
            state = text(&self.directory.join("state")),
            archive = text(&self.archive()),
            routes = routes.join(", "),
        )
    }

    pub(super) fn greeting(&self, simulator: &Url, admin: Option<SocketAddr>) -> String {
        let admin = admin
            .map_or_else(|| "-".to_owned(), |address| format!("http://{address}/status  /metrics  /readyz"));
        format!(
            "{BOLD}oktabus demo{BOLD:#}: a simulated Okta org, the real daemon, no broker needed. Ctrl-C ends it.\n\n\
             \x20 org      {ACCENT}{simulator}api/v1/logs{ACCENT:#}\n\
             \x20 archive  {ACCENT}{archive}{ACCENT:#}  (JSON lines, each event exactly once)\n\
             \x20 daemon   {ACCENT}{admin}{ACCENT:#}\n\
             \x20 config   {ACCENT}{config}{ACCENT:#}\n\n\
             The backlog goes to the archive; what happens now is shown here. Do something yourself, in another terminal,\n\
             and see it come by:\n\n\
             \x20 {ACCENT}{program} command run user.suspend -p user={SOMEBODY} --config {config}{ACCENT:#}\n\n",
            program = program(),
            archive = self.archive().display(),
            config = self.config_file().display(),
        )
    }

    pub(super) fn farewell(&self, routes: &[Snapshot]) -> String {
        let mut text = match routes.iter().filter(|route| route.trouble().is_some()).count() {
            0 => format!("\n{BOLD}Done.{BOLD:#} Delivered, each with a durable cursor behind proof:\n"),
            count => {
                format!("\n{BOLD}Not all was delivered:{BOLD:#} {count} route(s) had a trouble to the end.\n")
            }
        };
        for snapshot in routes {
            let Snapshot { route, delivered, generation, .. } = snapshot;
            text.push_str(&format!("  {route:20} {delivered:>8} events, cursor generation {generation}\n"));
            if let Some(trouble) = snapshot.trouble() {
                text.push_str(&format!("  {:20} {WARNING}{trouble}{WARNING:#}\n", ""));
            }
        }
        let program = program();
        let (archive, config) = (self.archive(), self.config_file());
        let next = [
            (format!("head -n 1 {}/*.jsonl", archive.display()), "one event, Okta's own bytes"),
            (format!("{program} state show --config {}", config.display()), "where each route stands"),
            (
                format!("{program} demo --kafka 127.0.0.1:9092 --nats nats://127.0.0.1:4222"),
                "to your brokers, too",
            ),
            (format!("{program} simulate --help"), "an org of your own, with faults on request"),
            ("less config/oktabus.toml".to_owned(), "every setting, annotated"),
        ];
        text.push_str("\nWhat to try next:\n");
        for (command, what) in next {
            text.push_str(&format!("  {ACCENT}{command}{ACCENT:#}\n      {what}\n"));
        }
        text
    }
}

/// What the user types to run us.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "oktabus".to_owned())
}

/// A TOML basic string.
fn toml_string(text: &str) -> String {
    // JSON strings are TOML basic strings too.
    serde_json::Value::from(text).to_string()
}
