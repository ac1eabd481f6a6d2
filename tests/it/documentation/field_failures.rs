//! The page about failures of others names tests that there are.

use std::{fs, path::Path};

use super::repository;

/// Where the modules of a test's path begin: the integration tests, a crate by its name, or the daemon's own.
fn roots(test: &str) -> Vec<(String, Vec<&str>)> {
    let modules: Vec<_> = test.split("::").collect();
    let is_crate = ["okta_client", "okta_system_log", "okta_simulator"].contains(&modules[0]);
    if is_crate {
        let root = format!("crates/{}/src", modules[0].replace('_', "-"));
        return vec![(root, modules[1..].to_vec())];
    }
    ["tests/it", "src"].map(|root| (root.to_owned(), modules.clone())).to_vec()
}

/// The text of the file that a module is in: its own, or that of one around it.
fn file_of(root: &Path, modules: &[&str]) -> Option<String> {
    (1..=modules.len()).rev().find_map(|count| {
        let path = modules[..count].iter().fold(root.to_owned(), |path, module| path.join(module));
        [path.with_extension("rs"), path.join("mod.rs")].iter().find_map(|path| fs::read_to_string(path).ok())
    })
}

/// Whether `text` has the test, as a function or as a case of a suite.
fn has_test(text: &str, name: &str) -> bool {
    let is_function = text.split("fn ").skip(1).zip(text.split("fn ")).any(|(after, before)| {
        let is_it = after.strip_prefix(name).is_some_and(|rest| rest.starts_with('('));
        is_it && before.rsplit("\n\n").next().is_some_and(|lines| lines.contains("test"))
    });
    is_function || text.contains(&format!("case!({name}, "))
}

fn exists(test: &str) -> bool {
    roots(test).into_iter().any(|(root, path)| {
        let (name, modules) = path.split_last().unwrap();
        file_of(&repository().join(root), modules).is_some_and(|text| has_test(&text, name))
    })
}

#[test]
fn each_failure_has_tests_that_there_are() {
    let page = fs::read_to_string(repository().join("docs/field-failures.md")).unwrap();
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| T")).collect();
    assert_eq!(rows.len(), 25);
    for (row, number) in rows.into_iter().zip(1..) {
        assert!(row.starts_with(&format!("| T{number} |")), "{row}");
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let tests: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "{row}");
        let missing: Vec<_> = tests.into_iter().filter(|test| !exists(test)).collect();
        assert!(missing.is_empty(), "there are no tests {missing:?}");
    }
    assert!(!exists("daemon::crash::nothing_is_lost") && !exists("daemon::crash::configuration"));
}
