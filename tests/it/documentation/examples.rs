//! The folder `examples`: every configuration is accepted, every program is understood by its language, and its page names each.

use std::{fs, process::Command};

use super::repository;

/// The files below `examples` with this extension.
fn files(folder: &str, extension: &str) -> Vec<String> {
    let entries = fs::read_dir(repository().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(extension)).collect();
    names.sort();
    names
}

#[test]
fn every_example_is_accepted_and_on_the_page() {
    let page = fs::read_to_string(repository().join("examples/README.md")).unwrap();
    let examples = files("examples", ".toml");
    assert!(examples.len() >= 8, "{examples:?}");
    for example in examples {
        assert!(page.contains(&format!("[{example}]({example})")), "the page does not name {example}");
        // With their defaults, and with what a container would set.
        for variables in [
            &[][..],
            &[
                ("OKTA_DOMAIN", "other.okta.com"),
                ("BOOTSTRAP_SERVERS", "k:9093"),
                ("STATE_DIRECTORY", "/s"),
                ("AWS_REGION", "eu-west-1"),
            ],
        ] {
            let checked = Command::new(env!("CARGO_BIN_EXE_oktabus"))
                .args(["check", "--offline", "--no-secrets", "--config"])
                .arg(repository().join("examples").join(&example))
                .envs(variables.iter().copied())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&checked.stderr);
            assert!(
                checked.status.success(),
                "{example}: {}{said}",
                String::from_utf8_lossy(&checked.stdout)
            );
        }
    }
}

#[test]
fn every_subscriber_is_understood_by_its_language_and_on_the_page() {
    let page = fs::read_to_string(repository().join("examples/README.md")).unwrap();
    let folder = repository().join("examples/subscribers");
    let node = crate::support::judges::node();
    for (file, program, arguments) in [
        ("subscriber.py", "python3", &["-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())"][..]),
        ("subscriber.mjs", node.as_str(), &["--check"]),
        ("subscriber.sh", "bash", &["-n"]),
    ] {
        assert!(page.contains(&format!("(subscribers/{file})")), "the page does not name {file}");
        let read = Command::new(program).args(arguments).arg(folder.join(file)).output().unwrap();
        assert!(read.status.success(), "{file}: {}", String::from_utf8_lossy(&read.stderr));
    }
}
