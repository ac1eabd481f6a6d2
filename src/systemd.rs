//! What the service manager is told through NOTIFY_SOCKET: that the daemon is ready, reloads, stops, and that
//! its loops make progress. Where nobody asked for it nothing is sent, and nothing depends on an answer.

use std::{
    ffi::OsStr,
    fmt, io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use tokio_util::task::AbortOnDropHandle;

use crate::telemetry::printable;

/// The longest text of the status, which is shown on one line.
const STATUS_MAX: usize = 200;

/// The way to the service manager.
#[derive(Debug, Default)]
pub struct ServiceManager {
    socket: Option<UnixDatagram>,
    /// It was told that the daemon stops, and must not hear anything else.
    is_stopping: AtomicBool,
    /// How often it wants to hear that there is progress.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The service manager that started this process, as its environment says.
    pub fn of_environment() -> Self {
        let watchdog = std::env::var("WATCHDOG_USEC").ok();
        // It may be meant for a parent of ours.
        let is_ours = std::env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
        let socket = std::env::var_os("NOTIFY_SOCKET");
        Self::new(socket.as_deref(), watchdog.filter(|_| is_ours).as_deref())
    }

    fn new(socket: Option<&OsStr>, watchdog_microseconds: Option<&str>) -> Self {
        let connected = socket.filter(|socket| !socket.is_empty()).map(connect);
        let socket = match connected {
            None => return Self::default(),
            Some(Ok(socket)) => socket,
            Some(Err(error)) => {
                tracing::warn!(%error, "the service manager cannot be reached: it will not know how the daemon is");
                return Self::default();
            }
        };
        let watchdog = watchdog_microseconds.and_then(|text| text.parse().ok()).filter(|time| *time > 0);
        Self { socket: Some(socket), watchdog: watchdog.map(Duration::from_micros), ..Self::default() }
    }

    /// The daemon runs.
    pub fn ready(&self, status: &str) {
        self.send_unless_stopping(format_args!("READY=1\nSTATUS={}", shortened(status)));
    }

    /// It reads again what may change while it runs. [`Self::ready`] says when it has.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.send_unless_stopping(format_args!(
            "RELOADING=1\nMONOTONIC_USEC={microseconds}\nSTATUS=reading the configuration and the secrets again"
        ));
    }

    /// It delivers what is in flight, and ends.
    pub fn stopping(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.send(format_args!("STOPPING=1\nSTATUS=delivering what is in flight"));
    }

    /// Says that there is progress as often as is asked for, as long as `is_alive` says so and the handle is kept.
    pub fn keep_alive(&self, is_alive: impl Fn() -> bool + Send + 'static) -> Option<AbortOnDropHandle<()>> {
        let (every, socket) = (self.watchdog? / 2, self.socket.as_ref()?.try_clone().ok()?);
        let teller = Self { socket: Some(socket), ..Self::default() };
        let telling = tokio::spawn(async move {
            loop {
                if is_alive() {
                    teller.send(format_args!("WATCHDOG=1"));
                }
                tokio::time::sleep(every).await;
            }
        });
        Some(AbortOnDropHandle::new(telling))
    }

    fn send_unless_stopping(&self, message: fmt::Arguments<'_>) {
        if !self.is_stopping.load(Ordering::Relaxed) {
            self.send(message);
        }
    }

    fn send(&self, message: fmt::Arguments<'_>) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(message.to_string().as_bytes()) {
            tracing::debug!(%error, "the service manager was not told");
        }
    }
}

/// A socket that never waits: the manager may have no room for a message.
fn connect(address: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match address.as_bytes() {
        [b'@', name @ ..] => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        _ => socket.connect(address)?,
    }
    Ok(socket)
}

fn shortened(status: &str) -> String {
    let shown = printable(status);
    match shown.char_indices().nth(STATUS_MAX) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    };

    use super::*;

    fn received(manager: &UnixDatagram) -> Option<String> {
        let mut message = [0; 1024];
        let length = manager.recv(&mut message).ok()?;
        Some(String::from_utf8_lossy(&message[..length]).into_owned())
    }

    /// A service manager, and the way to it.
    fn manager(watchdog: Option<&str>) -> (tempfile::TempDir, UnixDatagram, ServiceManager) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_nonblocking(true).unwrap();
        (directory, manager, ServiceManager::new(Some(path.as_os_str()), watchdog))
    }

    #[test]
    fn what_happens_is_told_and_a_status_cannot_forge_a_message() {
        let (_directory, manager, told) = manager(None);
        told.ready("stream\nSTOPPING=1");
        assert_eq!(received(&manager).unwrap(), "READY=1\nSTATUS=stream\\nSTOPPING=1");
        told.reloading();
        let reloading = received(&manager).unwrap();
        let microseconds = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
        assert!(reloading.starts_with("RELOADING=1\n") && microseconds.unwrap().parse::<u64>().unwrap() > 0);
        told.stopping();
        assert!(received(&manager).unwrap().starts_with("STOPPING=1\n"));
        told.reloading();
        told.ready("a reload in the middle of a stop");
        assert_eq!(received(&manager), None);
        let (_directory, manager, told) = self::manager(None);
        told.ready(&"x".repeat(5_000));
        assert!(received(&manager).unwrap().chars().count() < 300);
        assert!(told.keep_alive(|| true).is_none(), "nobody asked for it");
    }

    #[test]
    fn an_abstract_address_and_none_at_all_will_do() {
        let name = format!("oktabus-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        ServiceManager::new(Some(OsStr::new(&format!("@{name}"))), None).stopping();
        assert!(received(&manager).unwrap().starts_with("STOPPING=1"));
        ServiceManager::new(None, Some("1000")).ready("");
        ServiceManager::new(Some(OsStr::new("/nonexistent/notify")), None).ready("");
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_hears_of_progress_and_of_none_while_there_is_none() {
        let (_directory, manager, told) = manager(Some("10000000"));
        let is_alive = Arc::new(AtomicBool::new(true));
        let alive = Arc::clone(&is_alive);
        let _telling = told.keep_alive(move || alive.load(Relaxed)).unwrap();
        tokio::time::sleep(Duration::from_secs(11)).await;
        for _ in 0..3 {
            assert_eq!(received(&manager).as_deref(), Some("WATCHDOG=1"));
        }
        is_alive.store(false, Relaxed);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(received(&manager), None, "nothing makes progress");
    }
}
