//! The daemon as a process of its own: configuration in a temporary folder, start, kill, stop, and what it says.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use serde::Deserialize;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{
    okta::{Okta, TOKEN},
    tls::choose_provider,
    tools::{eventually, free_port},
};

/// A stream of everything into files in the folder `archive`.
pub(crate) const TO_FILES: &str = r#"
[streams.log]
org = "acme"
start = "-90d"
poll_interval = "200ms"
routes = [{ sink = "files" }]

[sinks.files]
kind = "file"
directory = "{dir}/archive"
"#;

/// A folder with a configuration, the state and whatever the daemon writes.
#[derive(Debug)]
pub(crate) struct Workplace {
    directory: TempDir,
    admin: String,
    http: reqwest::Client,
}

/// A running daemon; killed when dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
}

/// How long a daemon may take to end by itself, on a machine that is busy with other tests.
const END_PATIENCE: Duration = Duration::from_secs(300);
/// Lines that are shown of the log of a daemon that does not end.
const LOG_LINES_SHOWN: usize = 400;

/// A route as `/status` shows it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RouteStatus {
    pub(crate) route: String,
    pub(crate) phase: String,
    pub(crate) owner: Option<String>,
    pub(crate) delivered: u64,
    pub(crate) dead_letters: u64,
    pub(crate) lag_seconds: f64,
    pub(crate) held: usize,
    pub(crate) okta_trouble: Option<String>,
    pub(crate) sink_trouble: Option<String>,
    pub(crate) state_trouble: Option<String>,
    pub(crate) possible_gaps: u64,
}

#[derive(Debug, Deserialize)]
struct Status {
    routes: Vec<RouteStatus>,
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Workplace {
    /// A folder whose configuration has the org `acme`, which is `okta`, and `rest`. In `rest`, `{dir}` stands for the
    /// folder.
    pub(crate) fn new(okta: &Okta, rest: &str) -> Self {
        let org = "[orgs.acme]\nurl = \"{okta}\"\nauth = { token_file = \"{dir}/token\" }\nbudget = { share = 1.0 }\n";
        Self::with_orgs(&format!("{}\n{rest}", org.replace("{okta}", okta.url())))
    }

    /// A folder whose configuration is `rest` with state, admin pages and log.
    pub(crate) fn with_orgs(rest: &str) -> Self {
        choose_provider();
        let directory = tempfile::tempdir().unwrap();
        let admin = format!("127.0.0.1:{}", free_port());
        let workplace = Self { directory, admin, http: reqwest::Client::new() };
        workplace.write_token(TOKEN);
        workplace.configure(rest);
        workplace
    }

    /// Writes the configuration anew.
    pub(crate) fn configure(&self, rest: &str) {
        let common = format!(
            "[state]\npath = \"{{dir}}/state\"\n[admin]\nlisten = \"{}\"\n[log]\nstyle = \"json\"\n[shutdown]\ngrace = \"10s\"\n",
            self.admin
        );
        let text = format!("{common}{rest}").replace("{dir}", &self.path("").display().to_string());
        fs::write(self.path("oktabus.toml"), text).unwrap();
    }

    /// Puts another token in place.
    pub(crate) fn write_token(&self, token: &str) {
        self.write_secret("token", token);
    }

    /// Writes a file that only its owner may read.
    pub(crate) fn write_secret(&self, name: &str, secret: &str) {
        use std::os::unix::fs::PermissionsExt;
        fs::write(self.path(name), secret).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Where the admin pages are.
    pub(crate) fn admin(&self) -> &str {
        &self.admin
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts the daemon with these options. Its log goes to `log`, what it prints to `stdout`.
    pub(crate) fn start(&self, options: &[&str]) -> Daemon {
        self.start_with(options, &[])
    }

    /// The same with these environment variables.
    pub(crate) fn start_with(&self, options: &[&str], environment: &[(&str, &str)]) -> Daemon {
        let append = |name: &str| File::options().create(true).append(true).open(self.path(name)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_oktabus"))
            .args(["run", "--config"])
            .arg(self.path("oktabus.toml"))
            .args(options)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(append("stdout"))
            .stderr(append("log"))
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Daemon { child, log: self.path("log") }
    }

    /// Runs the daemon until it has caught up, which must end well.
    pub(crate) async fn catch_up(&self) {
        let status = self.start(&["--until-caught-up"]).ended().await;
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// Runs `oktabus` with these arguments and this folder's configuration.
    pub(crate) async fn oktabus(&self, arguments: &[&str]) -> Said {
        self.oktabus_with(arguments, &[]).await
    }

    /// The same with these environment variables.
    pub(crate) async fn oktabus_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oktabus"));
        let command = command.args(arguments).arg("--config").arg(self.path("oktabus.toml"));
        let command = command.envs(environment.iter().copied());
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
        Said {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What the daemon has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// How the routes stand, once the daemon answers.
    pub(crate) async fn routes(&self) -> Vec<RouteStatus> {
        let text = eventually("the admin pages", async || self.get("/status").await.ok()).await;
        serde_json::from_str::<Status>(&text.1).unwrap().routes
    }

    /// Waits until the route with this name stands as wanted.
    pub(crate) async fn route(&self, name: &str, is_so: impl Fn(&RouteStatus) -> bool) -> RouteStatus {
        let what = format!("route {name} to stand as wanted");
        eventually(&what, async || {
            self.routes().await.into_iter().find(|route| route.route == name && is_so(route))
        })
        .await
    }

    /// An admin page: status and text.
    pub(crate) async fn get(&self, page: &str) -> reqwest::Result<(u16, String)> {
        let response = self.http.get(format!("http://{}{page}", self.admin)).send().await?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    /// The value of a series on the page of metrics, whatever the order of its labels.
    pub(crate) async fn metric(&self, series: &str) -> Option<f64> {
        fn parts(series: &str) -> (&str, std::collections::BTreeSet<&str>) {
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            (name, labels.trim_end_matches('}').split(',').collect())
        }
        let page = self.get("/metrics").await.ok()?.1;
        let values =
            page.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
        let value = values.into_iter().find(|(shown, _)| parts(shown) == parts(series))?.1;
        value.parse().ok()
    }

    /// The address of an admin page.
    pub(crate) fn page_url(&self, page: &str) -> String {
        format!("http://{}{page}", self.admin)
    }

    /// The lines of all files in a folder, in the order of the files' names.
    pub(crate) fn lines(&self, folder: &str) -> Vec<String> {
        lines(&self.path(folder))
    }

    /// The uuids in all files in a folder, in order.
    pub(crate) fn uuids(&self, folder: &str) -> Vec<String> {
        self.lines(folder).iter().map(|line| uuid(line)).collect()
    }
}

/// The uuid of an event.
pub(crate) fn uuid(event: &str) -> String {
    serde_json::from_str::<serde_json::Value>(event).unwrap()["uuid"].as_str().unwrap().to_owned()
}

fn lines(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    // Locks and what was set aside are no part of it.
    let is_archive = |path: &PathBuf| {
        let name = path.to_string_lossy();
        [".jsonl", ".jsonl.zst"].iter().any(|end| name.ends_with(end))
    };
    let mut files: Vec<_> = entries.filter(is_archive).collect();
    files.sort();
    let read = |path: &PathBuf| match path.extension().and_then(|extension| extension.to_str()) {
        Some("zst") => String::from_utf8(zstd::decode_all(File::open(path).unwrap()).unwrap()).unwrap(),
        _ => fs::read_to_string(path).unwrap(),
    };
    files.iter().map(read).collect::<String>().lines().map(str::to_owned).collect()
}

/// The end of a log.
fn last_lines(log: &Path) -> String {
    let log = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
}

impl Daemon {
    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("the daemon has ended")
    }

    /// Kills it without warning.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to stop.
    pub(crate) async fn terminate(&self) {
        self.signal("-TERM").await;
    }

    /// Asks it to read its secrets again.
    pub(crate) async fn reload(&self) {
        self.signal("-HUP").await;
    }

    /// Sends it a signal by its name, such as `-USR1`.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.id().to_string();
        let status = Command::new("kill").args([name, &pid]).status().await.unwrap();
        assert!(status.success());
    }

    /// Waits until it has ended by itself. If it does not, its log says why.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        let Ok(ended) = tokio::time::timeout(END_PATIENCE, self.child.wait()).await else {
            panic!(
                "the daemon has not ended within {END_PATIENCE:?}; the end of its log:\n{}",
                last_lines(&self.log)
            );
        };
        ended.unwrap()
    }
}
