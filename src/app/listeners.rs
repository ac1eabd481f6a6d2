//! What listens at an address: the admin pages and the doorbells. One that follows another begins before that ends, so that nobody
//! is refused in between.

use std::{future::Future, sync::Arc, time::Duration};

use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    admin::{self, AdminAddress},
    doorbell::{Doorbells, DoorbellsInUse},
    operations::Operations,
    overview::DaemonView,
    serving::refresh::RefreshHandle,
};

/// How long a client of an admin page may take to read it after everything else has ended.
const PAGES_GRACE: Duration = Duration::from_secs(1);

/// The servers that run.
#[derive(Debug)]
pub(super) struct Listeners {
    background: Background,
    view: Arc<DaemonView>,
    operations: Operations,
    /// Ends the doorbells.
    stop: CancellationToken,
    admin: Option<Admin>,
    bells: Option<Bells>,
}

#[derive(Debug)]
struct Admin {
    bound: AdminAddress,
    refresh: RefreshHandle,
    _serving: DropGuard,
}

#[derive(Debug)]
struct Bells {
    in_use: DoorbellsInUse,
    refresh: Option<RefreshHandle>,
    _listening: DropGuard,
}

impl Listeners {
    /// None yet. Doorbells will listen until `stop`, pages be served until `background` ends.
    pub(super) fn new(
        background: Background,
        view: Arc<DaemonView>,
        operations: Operations,
        stop: CancellationToken,
    ) -> Self {
        Self { background, view, operations, stop, admin: None, bells: None }
    }

    /// Serves the pages by `server` from now on.
    pub(super) fn serve_pages(&mut self, server: admin::Server) {
        let (bound, refresh, stop) =
            (server.bound(), server.refresh_handle(), self.background.end.child_token());
        let _serving = stop.clone().drop_guard();
        let (view, operations) = (Arc::clone(&self.view), self.operations.clone());
        self.background.spawn(admin::serve(server, view, operations, stop));
        self.admin = Some(Admin { bound, refresh, _serving });
    }

    /// Takes the rings of `doorbells` from now on.
    pub(super) fn take_rings(&mut self, doorbells: Doorbells) {
        let (in_use, refresh, stop) =
            (doorbells.in_use(), doorbells.refresh_handle(), self.stop.child_token());
        let _listening = stop.clone().drop_guard();
        self.background.spawn(doorbells.run(stop));
        self.bells = Some(Bells { in_use, refresh, _listening });
    }

    /// Has tokens, secrets and certificates read again, and returns when that is done.
    pub(super) async fn refresh(&self) {
        let of_pages = self.admin.as_ref().map(|admin| &admin.refresh);
        let of_bells = self.bells.as_ref().and_then(|bells| bells.refresh.as_ref());
        for handle in of_pages.into_iter().chain(of_bells) {
            handle.refresh().await;
        }
    }

    /// The address of the pages.
    pub(super) fn pages(&self) -> Option<&AdminAddress> {
        self.admin.as_ref().map(|admin| &admin.bound)
    }

    /// The doorbells that ring.
    pub(super) fn doorbells(&self) -> DoorbellsInUse {
        self.bells.as_ref().map(|bells| bells.in_use.clone()).unwrap_or_default()
    }
}

/// Tasks that go on until everything else has ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Background {
    tasks: TaskTracker,
    /// Asks them to end.
    pub(super) end: CancellationToken,
    /// Ends them.
    cut: CancellationToken,
}

impl Background {
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cut = self.cut.clone();
        self.tasks.spawn(async move {
            cut.run_until_cancelled(task).await;
        });
    }

    /// Ends all of them. A slow reader of a page does not delay that.
    pub(super) async fn ended(self) {
        self.end.cancel();
        self.tasks.close();
        if tokio::time::timeout(PAGES_GRACE, self.tasks.wait()).await.is_err() {
            self.cut.cancel();
            self.tasks.wait().await;
        }
    }
}
