//! The systemd unit and the paths that the pages and the example write to.

use std::{fs, process::Command};

use super::{pages, repository};

/// Paths of the pages that the daemon writes to begin so.
const WRITTEN: [&str; 3] = ["/var/lib/", "/var/log/", "/srv/"];

fn unit() -> String {
    fs::read_to_string(repository().join("deploy/oktabus.service")).unwrap()
}

/// All values of a setting.
fn values(unit: &str, setting: &str) -> Vec<String> {
    let lines = unit.lines().filter_map(|line| line.strip_prefix(setting)?.strip_prefix('='));
    lines.flat_map(str::split_whitespace).map(|value| value.trim_start_matches('-').to_owned()).collect()
}

#[test]
fn the_sandbox_lets_the_daemon_write_wherever_the_pages_have_it_write() {
    let unit = unit();
    let mut writable = values(&unit, "BindPaths");
    writable.extend(values(&unit, "StateDirectory").iter().map(|name| format!("/var/lib/{name}")));
    writable.extend(values(&unit, "LogsDirectory").iter().map(|name| format!("/var/log/{name}")));
    let mut texts = pages();
    texts.push("config/oktabus.toml".to_owned());
    for page in texts {
        let text = fs::read_to_string(repository().join(&page)).unwrap();
        let words = text.split(|c: char| c.is_whitespace() || "\"'`,();".contains(c));
        for path in words.filter(|word| WRITTEN.iter().any(|start| word.starts_with(start))) {
            let is_writable = writable.iter().any(|folder| {
                path.strip_prefix(folder.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
            assert!(
                is_writable,
                "{page} has the daemon write to {path}, and the unit lets it write to {writable:?}"
            );
        }
    }
}

#[test]
fn the_build_for_production_leaves_the_simulator_out() {
    let script = repository().join("deploy/build");
    let recipe = fs::read_to_string(&script).unwrap();
    assert!(recipe.contains("cargo build --locked --release --no-default-features --features \"$features\""));
    let refused = Command::new(&script).arg("kafka,simulator").output().unwrap();
    assert_eq!(refused.status.code(), Some(64), "{refused:?}");
}

#[test]
fn the_unit_forbids_core_dumps_and_tries_again_whatever_may_pass() {
    let unit = unit();
    assert_eq!(values(&unit, "LimitCORE"), ["0"]);
    assert_eq!(values(&unit, "RestartPreventExitStatus"), ["64"], "only a configuration stays wrong");
    assert_eq!(values(&unit, "StartLimitIntervalSec"), ["0"]);
}

#[test]
fn the_unit_is_hardly_exposed() {
    let path = repository().join("deploy/oktabus.service");
    // In tenths.
    let analysed = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=10"])
        .arg(path)
        .output()
        .unwrap_or_else(|err| panic!("systemd-analyze, of Debian's package `systemd`, is missing: {err}"));
    let said = String::from_utf8_lossy(&analysed.stdout).into_owned();
    assert!(analysed.status.success() && said.contains("Overall exposure level"), "{said}");
}
