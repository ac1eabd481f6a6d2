//! When to stop: the first signal asks for it, the second insists. And the signals that only ask how it goes.

use std::{io, sync::Arc};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
};
use tokio_util::task::AbortOnDropHandle;

use super::Exit;

/// The signals that ask the process to stop.
#[derive(Debug)]
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Resolves with the next signal.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Resolves with the first signal; the second ends the process at once.
    pub(super) async fn first(mut self) {
        self.next().await;
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(i32::from(Exit::Interrupted.code()));
        });
    }
}

/// Notifies `asked` on each SIGUSR1 and SIGUSR2, which would end the process otherwise, until the handle is dropped.
pub(super) fn tell_on_user_signals(asked: Arc<Notify>) -> io::Result<AbortOnDropHandle<()>> {
    let mut first = signal(SignalKind::user_defined1())?;
    let mut second = signal(SignalKind::user_defined2())?;
    let telling = tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(()) = first.recv() => {}
                Some(()) = second.recv() => {}
                else => return,
            }
            asked.notify_one();
        }
    });
    Ok(AbortOnDropHandle::new(telling))
}
