//! The user of the operating system who gives a command by hand, according to the kernel, not to the environment.

use std::{fmt, fs, path::Path};

use serde::Serialize;

/// The file with the names of users, in the form of `passwd(5)`. It lacks users of a directory service.
const USERS: &str = "/etc/passwd";

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LocalUser {
    /// The user id.
    #[serde(rename = "peer_uid")]
    pub uid: u32,
    /// The name, if this machine's own list has it.
    #[serde(rename = "os_user", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl LocalUser {
    /// The user with this id. Does blocking I/O on a small file.
    pub fn of(uid: u32) -> Self {
        Self { uid, name: name(Path::new(USERS), uid) }
    }

    /// The user of this process. Does blocking I/O on a small file.
    pub fn of_process() -> Self {
        Self::of(rustix::process::getuid().as_raw())
    }
}

impl fmt::Display for LocalUser {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(formatter, "{name} (uid {})", self.uid),
            None => write!(formatter, "uid {}", self.uid),
        }
    }
}

fn name(users: &Path, uid: u32) -> Option<String> {
    let text = fs::read_to_string(users).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_where_the_machine_knows_the_name() {
        let directory = tempfile::tempdir().unwrap();
        let users = directory.path().join("passwd");
        fs::write(&users, "root:x:0:0:root:/root:/bin/sh\nbroken\nada:x:1000:1000::/home/ada:/bin/sh\n")
            .unwrap();
        assert_eq!(name(&users, 1_000).as_deref(), Some("ada"));
        assert_eq!(name(&users, 0).as_deref(), Some("root"));
        assert_eq!(name(&users, 1_001), None);
        assert_eq!(name(&directory.path().join("none"), 0), None);
    }
}
