//! Every command of the pages: run in the order of its page against the simulator and a real NATS server, or named here
//! with the reason why not.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Stdio, time::Duration};

use tempfile::TempDir;

use super::{blocks, pages, repository};
use crate::support::{nats::NatsServer, tools::free_port};

/// Why commands are not run, by how they begin.
const NOT_RUN: [(&str, &str); 39] = [
    ("# ", "root's: changes the machine; the set-up is followed by hand on a clean Debian"),
    ("$ curl --proto", "installs Rust"),
    ("$ . \"$HOME/.cargo/env\"", "installs Rust"),
    ("$ cargo ", "the program under test is built already; `daemon::demo` runs the demo"),
    ("$ tests/run", "that is what runs this"),
    ("$ deploy/build", "a release build takes minutes; `documentation::unit` holds it to its features"),
    ("$ deploy/debian/build", "`deployment::package` makes and looks at the package"),
    ("$ cd deploy/compose", "needs an engine; `deploy/check` holds the file to its schema"),
    (
        "$ buildah build",
        "pulls an image; `deployment::package` makes the root of it, and `deploy/container/try` runs it",
    ),
    ("$ podman run", "needs an engine; `deploy/container/try` does the same without one"),
    ("$ kubectl ", "needs a cluster; `deploy/check` holds the chart to the schemas"),
    ("$ helm install", "likewise"),
    ("$ sha256sum --check", "the files of a release"),
    ("$ curl -s http://127.0.0.1:8088/readyz", "`daemon` asks for the pages"),
    ("$ curl -s http://127.0.0.1:8088/status", "likewise"),
    ("$ journalctl ", "needs systemd as the first process; `deploy/debian/try` has it"),
    ("$ OKTABUS__ADMIN__LISTEN=", "`daemon::configuration` sets variables"),
    ("$ env OKTABUS__STREAMS", "`daemon::configuration` sets variables"),
    ("$ oktabus check --offline", "shows mistakes: `daemon::configuration` makes each of them"),
    ("$ oktabus render", "the formats' tests run it"),
    ("$ sigma convert", "`format::rules` translates with the pipelines of deploy/sigma"),
    (
        "$ oktabus check --config oktabus.toml",
        "docs/okta.md and docs/operations.md: as in the README, which is run",
    ),
    ("$ oktabus state ", "`state::commands` runs each"),
    ("$ oktabus dead-letters ", "`terminal::dead_letters` runs each"),
    ("$ oktabus config ", "`terminal::configuration` runs both"),
    ("$ oktabus reload", "`reload` runs it"),
    ("$ oktabus replay", "`replay` runs it"),
    ("$ oktabus search", "`search::command` runs it"),
    ("$ oktabus doorbell", "`doorbell::command` runs each"),
    ("$ oktabus run --config oktabus.toml", "docs/state.md: a refused state, which `state` provokes"),
    ("$ openssl ", "makes a key for a real org; `okta::service_app` makes keys"),
    ("$ chmod 600 okta-key.pem", "likewise"),
    (
        "$ oktabus command run user.suspend -p user=ada@acme.com",
        "a real org's people; docs/commands.md has it run before",
    ),
    ("$ oktabus command run user.delete -p user=ada@acme.com", "likewise"),
    ("$ echo '{\"action\": \"group.find\"", "likewise"),
    ("$ oktabus command ", "docs/commands.md, by hand: `command::engine::by_hand` runs each"),
    ("$ oktabus simulate", "docs/simulator.md: as in docs/commands.md, which is run"),
    (
        "$ curl --fail -X PUT",
        "docs/ecs.md: needs Elasticsearch; the judge of ECS judges by what is installed",
    ),
    ("$ curl -s", "docs/simulator.md: the simulator's own tests ask all of it"),
];

/// What the pages of which commands are run say, by page and block.
const RUN: [(&str, usize); 5] = [
    ("README.md", 4),
    ("README.md", 5),
    ("docs/commands.md", 0),
    ("docs/commands.md", 1),
    ("docs/commands.md", 2),
];

/// Stands in for the `nats` program with as much of it as the pages use.
const NATS: &str = r#"#!/usr/bin/env bash
exec 3<>"/dev/tcp/127.0.0.1/$NATS_PORT"
say() { printf '%s\r\n' "$@" >&3; }
read -r -t 10 _ <&3
say 'CONNECT {"verbose":false,"headers":true}' 'SUB answer 1'
case "$1" in
pub) say "PUB $2 ${#3}" "$3" 'PING'; wanted=PONG ;;
stream)
    create='{"name":"'$3'","subjects":["'$5'"],"storage":"file","retention":"workqueue"}'
    say "PUB \$JS.API.STREAM.CREATE.$3 answer ${#create}" "$create"; wanted=stream_create_response ;;
esac
while read -r -t 10 line <&3; do
    case "$line" in *'"error"'*) echo "$line" >&2; exit 1 ;; *"$wanted"*) exit 0 ;; esac
done
exit 1
"#;

/// The commands of a console block, with the lines that show their output left out.
fn commands(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("$ ") || line.starts_with("# ")).collect()
}

/// A folder in which a newcomer types what a page says.
struct Session {
    directory: TempDir,
    okta: String,
    nats: Option<String>,
}

impl Session {
    fn new(nats: Option<&NatsServer>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let okta = format!("127.0.0.1:{}", free_port());
        let session = Self { directory, okta, nats: nats.map(NatsServer::url) };
        let program = env!("CARGO_BIN_EXE_oktabus");
        let shim = format!(
            "#!/usr/bin/env bash\nif [[ $1 == simulate ]]; then exec {program} \"$@\" --listen {} --rate 0; fi\n\
             exec {program} \"$@\"\n",
            session.okta
        );
        for (name, content) in
            [("bin/oktabus", shim.as_str()), ("bin/nats", NATS), ("target/release/oktabus", &shim)]
        {
            let path = session.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::create_dir_all(session.path().join("config/conf.d")).unwrap();
        let demo = fs::read_to_string(repository().join("config/demo.toml")).unwrap();
        session.write("config/demo.toml", &demo);
        session
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A text of a page, with the servers of this session in place of those that it names.
    fn write(&self, name: &str, text: &str) {
        let mut text = text.replace("127.0.0.1:8780", &self.okta);
        if let Some(nats) = &self.nats {
            text = text.replace("nats://127.0.0.1:4222", nats);
        }
        fs::write(self.path().join(name), text).unwrap();
    }

    /// Runs `script` in bash with what it is given on standard input; it must end well. What it says.
    async fn run(&self, script: &str, input: &str) -> String {
        fs::write(self.path().join("input"), input).unwrap();
        let path = format!("{}:{}", self.path().join("bin").display(), std::env::var("PATH").unwrap());
        let port = self.nats.as_deref().and_then(|url| url.rsplit(':').next()).unwrap_or_default();
        let ended = tokio::process::Command::new("bash")
            .args([
                "-e",
                "-o",
                "pipefail",
                "-c",
                &format!("trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n{script}"),
            ])
            .current_dir(self.path())
            .env("PATH", path)
            .env("NATS_PORT", port)
            .env("OKTABUS__ADMIN__LISTEN", "127.0.0.1:0")
            .stdin(Stdio::from(fs::File::open(self.path().join("input")).unwrap()))
            .kill_on_drop(true)
            .output();
        let ended =
            tokio::time::timeout(Duration::from_secs(90), ended).await.expect("the commands to end").unwrap();
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        let complaints = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{script}\n{said}\n{complaints}");
        said
    }
}

/// The script for commands of a page: what goes on behind is waited for, what waits for another is tried again, and what
/// the page shows to fail must fail.
fn script(commands: &[&str]) -> String {
    let line = |command: &&str| {
        let typed = command.trim_start_matches("$ ");
        match typed {
            _ if typed.starts_with("oktabus simulate") => format!(
                "{typed}\nfor i in {{1..400}}; do (exec 3<>/dev/tcp/${{OKTA/:/\\/}}) 2>/dev/null && break; sleep 0.05; done\n"
            ),
            _ if typed.ends_with('&') => {
                format!(
                    "{typed}\nfor i in {{1..400}}; do [[ -S oktabus-demo/state/control.sock ]] && break; sleep 0.05; done\n"
                )
            }
            _ if typed.starts_with("oktabus command show") || typed.contains("outcomes-*") => {
                format!(
                    "for i in {{1..200}}; do {typed} | grep . && break; [[ $i -lt 200 ]]; sleep 0.05; done\n"
                )
            }
            _ if typed.contains("user.delete") && !typed.contains("dry-run") => format!("! {typed}\n"),
            _ => format!("{typed}\n"),
        }
    };
    commands.iter().map(line).collect()
}

#[test]
fn every_command_of_the_pages_is_run_or_has_a_reason_not_to() {
    let mut used = vec![false; NOT_RUN.len()];
    for page in pages() {
        for (index, block) in blocks(&page, "console").into_iter().enumerate() {
            if RUN.contains(&(page.as_str(), index)) {
                continue;
            }
            for command in commands(&block.text) {
                let reason = NOT_RUN.iter().position(|(start, _)| command.starts_with(start));
                let reason = reason.unwrap_or_else(|| panic!("{}: nothing runs `{command}`", block.place));
                used[reason] = true;
            }
        }
    }
    let stale = NOT_RUN.iter().zip(used).find(|(_, is_used)| !is_used);
    assert!(stale.is_none(), "no page has this: {stale:?}");
}

#[tokio::test]
async fn the_readme_leads_to_events_of_an_org() {
    let session = Session::new(None);
    let blocks_of = blocks("README.md", "console");
    let (token, run) = (commands(&blocks_of[4].text), commands(&blocks_of[5].text));
    assert!(token[1].starts_with("$ cat > okta-token"), "{token:?}");
    let configuration = &blocks("README.md", "toml")[0].text;
    let org = format!("url = \"http://{}\"", session.okta);
    session.write("oktabus.toml", &configuration.replace("domain = \"acme.okta.com\"", &org));
    let told = script(&["$ oktabus simulate &"]).replace("${OKTA/:/\\/}", &session.okta.replace(':', "/"));
    let typed: Vec<_> = run.into_iter().filter(|command| !command.starts_with("$ cargo build")).collect();
    assert_eq!(typed.len(), 2, "{typed:?}");
    // What runs until Ctrl-C is told to end once it has caught up.
    let run = typed[1].trim_start_matches("$ ").to_owned() + " --until-caught-up";
    let shown =
        format!("{}\n{run}\ntarget/release/oktabus state show --config oktabus.toml", script(&typed[..1]));
    let said = session.run(&format!("{told}{}{shown}", script(&token)), "00token\n").await;
    assert_eq!(fs::metadata(session.path().join("okta-token")).unwrap().permissions().mode() & 0o777, 0o600);
    // As many lines as the page shows, each about the same thing.
    let what = |text: &str| -> Vec<String> {
        text.lines()
            .filter_map(|line| line.strip_prefix("ok    "))
            .map(|line| line.split("  ").next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(what(&said), what(&blocks_of[5].text), "{said}");
    assert!(said.contains("system-log/archive"), "{said}");
    assert!(session.path().join("archive").is_dir());
}

#[tokio::test]
async fn the_first_commands_of_the_page_are_carried_out_by_hand_and_through_a_queue() {
    let server = NatsServer::start().await;
    let session = Session::new(Some(&server));
    let blocks_of = blocks("docs/commands.md", "console");
    let queue = &blocks("docs/commands.md", "toml")[0].text;
    let by_hand = script(&[commands(&blocks_of[0].text), commands(&blocks_of[1].text)].concat());
    session.write("queue.toml", queue);
    // The page has the fragment written between the two.
    let through_queue =
        format!("mv queue.toml config/conf.d/queue.toml\n{}", script(&commands(&blocks_of[2].text)));
    let whole = format!("{by_hand}{through_queue}").replace("${OKTA/:/\\/}", &session.okta.replace(':', "/"));
    let said = session.run(&whole, "").await;
    for shown in
        ["user.suspend: done", "wrong_status: user ada.nguyn.109@acme.example is SUSPENDED", "\"hr-2\""]
    {
        assert!(said.contains(shown), "nothing says `{shown}`:\n{said}");
    }
}
