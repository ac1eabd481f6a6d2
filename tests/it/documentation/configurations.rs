//! Every TOML block of the pages, as a fragment on top of what its page begins with.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use tempfile::TempDir;

use super::{blocks, pages, repository};

/// What a page's blocks are added to.
enum Base {
    /// Nothing: the first block is the whole.
    Nothing,
    /// The first of the README, less the lines that begin so.
    First(&'static [&'static str]),
    /// All of the README.
    Readme,
    /// A file of the repository.
    File(&'static str),
}

/// By page and block, counted from 0: where a new beginning is made.
const BASES: [(&str, usize, Base); 14] = [
    ("README.md", 0, Base::Nothing),
    ("docs/commands.md", 0, Base::File("config/demo.toml")),
    ("docs/commands.md", 1, Base::Readme),
    ("docs/doorbell.md", 0, Base::First(&[])),
    ("docs/doorbell.md", 2, Base::First(&[])),
    ("docs/ecs.md", 0, Base::First(&[])),
    ("docs/exactly-once.md", 0, Base::Nothing),
    ("docs/messages.md", 0, Base::First(&[])),
    ("docs/ocsf.md", 0, Base::First(&[])),
    ("docs/operations.md", 0, Base::First(&[])),
    ("docs/okta.md", 0, Base::First(&["domain", "auth"])),
    ("docs/searches.md", 0, Base::First(&[])),
    ("docs/udm.md", 0, Base::First(&[])),
    ("docs/configuration.md", 0, Base::First(&[])),
];

const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A folder with the secrets that the pages name, in which `oktabus` checks configurations.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        fs::create_dir(desk.path().join("etc")).unwrap();
        let private_key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        for (name, content) in [
            ("okta-token", SECRET),
            ("pseudonym-key", SECRET),
            ("etc/pseudonym-key", SECRET),
            ("etc/okta-token", SECRET),
            ("etc/collector-token", SECRET),
            ("etc/doorbell-secret", SECRET),
            ("etc/portal.secret", SECRET),
            ("etc/okta-key.pem", private_key.as_str()),
            ("etc/hr.pub", PUBLIC_KEY),
            ("etc/lead.pub", PUBLIC_KEY),
        ] {
            let path = desk.path().join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        desk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Checks `base` with `fragments` in `conf.d`; `place` is for people.
    fn check(&self, base: &str, fragments: &[String], place: &str) {
        // The files in /etc are here.
        let local = |text: &str| text.replace("/etc/oktabus/", "etc/");
        fs::write(self.path().join("oktabus.toml"), local(base)).unwrap();
        let folder = self.path().join("conf.d");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        for (number, fragment) in fragments.iter().enumerate() {
            fs::write(folder.join(format!("{number:02}.toml")), local(fragment)).unwrap();
        }
        let checked = Command::new(env!("CARGO_BIN_EXE_oktabus"))
            .args(["check", "--offline", "--config", "oktabus.toml"])
            .current_dir(self.path())
            .env("OKTA_TOKEN", SECRET)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{place} is no part of a configuration:\n{said}");
    }
}

fn texts(page: &str) -> Vec<String> {
    blocks(page, "toml").into_iter().map(|block| block.text).collect()
}

#[test]
fn every_configuration_of_the_pages_is_understood_in_the_order_of_the_page() {
    let desk = Desk::new();
    let readme = texts("README.md");
    for page in pages() {
        let (mut base, mut fragments) = (String::new(), Vec::new());
        for (index, block) in blocks(&page, "toml").into_iter().enumerate() {
            let beginning = BASES.iter().find(|(of, at, _)| *of == page && *at == index);
            assert!(index > 0 || beginning.is_some(), "{} has no base in this test", block.place);
            match beginning.map(|(_, _, base)| base) {
                None => fragments.push(block.text),
                Some(Base::Nothing) => (base, fragments) = (block.text, Vec::new()),
                Some(Base::First(left_out)) => {
                    let stays = |line: &&str| !left_out.iter().any(|start| line.starts_with(start));
                    base = readme[0].lines().filter(stays).map(|line| format!("{line}\n")).collect();
                    fragments = vec![block.text];
                }
                Some(Base::Readme) => {
                    base.clone_from(&readme[0]);
                    fragments = [&readme[1..], &[block.text]].concat();
                }
                Some(Base::File(file)) => {
                    base = fs::read_to_string(repository().join(file)).unwrap();
                    fragments = vec![block.text];
                }
            }
            // A sink that no route leads to yet is a mistake, and the route comes in the next block.
            if page == "README.md" && (1..=2).contains(&index) {
                continue;
            }
            desk.check(&base, &fragments, &block.place);
        }
    }
}

#[test]
fn the_annotated_example_is_understood() {
    let example = fs::read_to_string(repository().join("config/oktabus.toml")).unwrap();
    Desk::new().check(&example, &[], "config/oktabus.toml");
}

/// The texts in quotes of a line, if it sets `key`, be it in a comment.
#[cfg(feature = "nats")]
fn quoted<'a>(line: &'a str, key: &str) -> Vec<&'a str> {
    let line = line.trim_start_matches(['#', ' ']);
    if !line.starts_with(&format!("{key} = ")) {
        return Vec::new();
    }
    line.split('"').skip(1).step_by(2).collect()
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn the_queues_and_replies_of_the_pages_overlap_no_stream_of_events() {
    use async_nats::jetstream::stream::Config;

    let server = crate::support::nats::NatsServer::start().await;
    // What `create` makes of the default subject.
    let events =
        Config { name: "OKTA".to_owned(), subjects: vec!["okta.*.*.>".to_owned()], ..Config::default() };
    server.create_stream(events).await;
    let mut places = pages();
    places.push("config/oktabus.toml".to_owned());
    let mut tried = 0;
    for place in places {
        let text = fs::read_to_string(repository().join(&place)).unwrap();
        for line in text.lines() {
            let subjects = ["intake", "reply_to", "reveal"].map(|key| quoted(line, key)).concat();
            for subject in subjects.into_iter().filter(|text| text.contains('*') || text.contains('>')) {
                let own = Config {
                    name: "OWN".to_owned(),
                    subjects: vec![subject.to_owned()],
                    ..Config::default()
                };
                let jetstream = server.jetstream().await;
                let created = jetstream.create_stream(own).await;
                assert!(created.is_ok(), "{place}: {subject}: {}", created.unwrap_err());
                jetstream.delete_stream("OWN").await.unwrap();
                tried += 1;
            }
        }
    }
    assert!(tried >= 6, "the pages have queues and replies: {tried}");
}
