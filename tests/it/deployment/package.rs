//! The Debian package and the root of the container image, made of the program under test and looked at.
//! `deploy/debian/try` and `deploy/container/try` run them, as root.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use super::{repository, text};

/// What a program says; it must end well.
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|err| panic!("{command:?}: {err}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The program without its line tables, which nobody installs.
fn program(folder: &Path) -> PathBuf {
    let stripped = folder.join("oktabus");
    let program = env!("CARGO_BIN_EXE_oktabus");
    said(Command::new("strip").args(["--strip-debug", "-o"]).arg(&stripped).arg(program));
    stripped
}

fn package(program: &Path, folder: &Path) -> PathBuf {
    let mut build = Command::new(repository().join("deploy/debian/build"));
    let build = build.arg(program).arg(folder).env("OKTABUS_DEB_COMPRESSION", "none");
    PathBuf::from(said(build.env("SOURCE_DATE_EPOCH", "1790000000")).trim())
}

#[test]
fn the_debian_package_has_what_it_needs_and_the_same_program_makes_the_same_package() {
    let directory = tempfile::tempdir().unwrap();
    let program = program(directory.path());
    let [first, second] = ["a", "b"].map(|name| package(&program, &directory.path().join(name)));
    assert!(fs::read(&first).unwrap() == fs::read(second).unwrap(), "two packages of one program differ");

    let field =
        |name: &str| said(Command::new("dpkg-deb").arg("--field").arg(&first).arg(name)).trim().to_owned();
    assert_eq!(field("Version"), env!("CARGO_PKG_VERSION"));
    let depends = field("Depends");
    assert!(["ca-certificates", "libc6 (>= 2."].iter().all(|name| depends.contains(name)), "{depends}");

    let root = directory.path().join("root");
    said(Command::new("dpkg-deb").arg("--raw-extract").arg(&first).arg(&root));
    let conffiles = fs::read_to_string(root.join("DEBIAN/conffiles")).unwrap();
    assert_eq!(conffiles, "/etc/oktabus/oktabus.toml\n");
    let version = said(Command::new(root.join("usr/bin/oktabus")).arg("--version"));
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");

    let shipped = |path: &str| fs::read_to_string(root.join("usr/share").join(path)).unwrap();
    let bash = shipped("bash-completion/completions/oktabus");
    assert!(bash.contains("complete -F _oktabus"), "the completions of bash");
    assert!(shipped("zsh/vendor-completions/_oktabus").starts_with("#compdef oktabus"));
    assert!(shipped("fish/vendor_completions.d/oktabus.fish").contains("complete -c oktabus"));
    let page = root.join("usr/share/man/man1/oktabus-dead-letters-retry.1.gz");
    let page = said(Command::new("gzip").args(["--decompress", "--stdout"]).arg(page));
    assert!(page.contains(".SH OPTIONS"), "{page}");

    // The unit is the documented one, with the program where the package has it.
    let unit = fs::read_to_string(root.join("usr/lib/systemd/system/oktabus.service")).unwrap();
    assert!(unit.contains("ExecStart=/usr/bin/oktabus run --config /etc/oktabus/oktabus.toml\n"), "{unit}");
    let settings = |unit: &str| {
        let lines = unit.lines().filter(|line| !line.starts_with('#') && !line.starts_with("ExecStart="));
        lines.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    assert_eq!(settings(&unit), settings(&text("deploy/oktabus.service")));
    for script in ["postinst", "prerm", "postrm"] {
        said(Command::new("sh").arg("-n").arg(root.join("DEBIAN").join(script)));
    }
}

#[test]
fn the_root_of_the_image_has_a_program_that_runs_in_it_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (program, root) = (program(directory.path()), directory.path().join("root"));
    said(Command::new(repository().join("deploy/container/rootfs")).arg(&program).arg(&root));
    let mut programs = Vec::new();
    for folder in ["bin", "sbin", "usr/bin", "usr/sbin"] {
        let entries = fs::read_dir(root.join(folder)).into_iter().flatten();
        programs.extend(entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()));
    }
    assert_eq!(programs, ["oktabus"]);
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("var/lib/oktabus"), mode("tmp"), mode("usr/bin/oktabus")), (0o700, 0o1777, 0o755));
    assert!(fs::read_to_string(root.join("etc/passwd")).unwrap().starts_with("oktabus:x:65532:65532:"));
    let authorities = fs::read_to_string(root.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    assert!(authorities.contains("BEGIN CERTIFICATE"));
    // A user namespace lets anybody change the root.
    let version = said(
        Command::new("unshare")
            .args(["--user", "--map-root-user", "chroot"])
            .arg(&root)
            .args(["/usr/bin/oktabus", "--version"]),
    );
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    let again =
        Command::new(repository().join("deploy/container/rootfs")).arg(&program).arg(&root).output().unwrap();
    assert_eq!(again.status.code(), Some(64), "a folder with something in it is left alone");
}

#[test]
fn what_the_compose_file_runs_is_understood() {
    let checked = Command::new(env!("CARGO_BIN_EXE_oktabus"))
        .args(["check", "--offline", "--config", "deploy/compose/oktabus.toml"])
        .current_dir(repository())
        .env("OKTA_TOKEN", "any")
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
