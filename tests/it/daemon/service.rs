//! The daemon under a service manager: what it tells it, by the protocol of systemd.

use std::{os::unix::net::UnixDatagram, path::Path, time::Duration};

use crate::support::{
    daemon::{TO_FILES, Workplace},
    okta::Okta,
};

/// A service manager that listens.
struct Manager(UnixDatagram);

impl Manager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(socket)
    }

    /// Waits for the next message that begins so.
    fn hears(&self, beginning: &str) -> String {
        let mut message = [0; 4096];
        loop {
            let length = self.0.recv(&mut message).unwrap_or_else(|err| panic!("no {beginning}: {err}"));
            let message = String::from_utf8_lossy(&message[..length]).into_owned();
            if message.starts_with(beginning) {
                return message;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_manager_hears_of_the_start_of_progress_of_a_reload_and_of_the_end() {
    let okta = Okta::with_backlog(3).await;
    let workplace = Workplace::new(&okta, TO_FILES);
    let socket = workplace.path("notify");
    let manager = Manager::at(&socket);
    let environment = [("NOTIFY_SOCKET", socket.to_str().unwrap()), ("WATCHDOG_USEC", "400000")];
    let daemon = workplace.start_with(&[], &environment);

    let heard = async |beginning: &'static str| tokio::task::block_in_place(|| manager.hears(beginning));
    assert!(heard("READY=1").await.contains("STATUS=stream log of acme goes to files"));
    heard("WATCHDOG=1").await;
    daemon.reload().await;
    assert!(heard("RELOADING=1").await.contains("MONOTONIC_USEC="));
    heard("READY=1").await;
    // It knows what became of a configuration, and what runs by it.
    workplace.configure("nothing = 1");
    daemon.reload().await;
    assert!(heard("READY=1").await.contains("STATUS=the new configuration is refused"));
    workplace.configure(&with_another_route(&okta));
    daemon.reload().await;
    assert!(heard("READY=1").await.contains("STATUS=stream log of acme goes to files, other"));
    daemon.terminate().await;
    heard("STOPPING=1").await;
    assert!(daemon.ended().await.success());
}

fn with_another_route(okta: &Okta) -> String {
    let org = format!(
        "[orgs.acme]\nurl = \"{}\"\nauth = {{ token_file = \"{{dir}}/token\" }}\nbudget = {{ share = 1.0 }}\n",
        okta.url()
    );
    let both = TO_FILES.replace(r#"{ sink = "files" }"#, r#"{ sink = "files" }, { sink = "other" }"#);
    format!("{org}{both}[sinks.other]\nkind = \"stdout\"\n")
}
