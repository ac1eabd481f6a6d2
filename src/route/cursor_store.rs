//! What a route needs of the durable state: its cursor, compared and set. The real one is the state of this daemon,
//! another is simulated.

use std::{fmt, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::state::{Cursor, State, StateError, StoredCursor};

/// Cursors by the names of their routes.
pub(super) trait CursorStore: fmt::Debug + Send + Sync {
    /// The cursor of `route`, if it ever moved.
    fn load<'a>(&'a self, route: &'a str) -> BoxFuture<'a, Result<Option<StoredCursor>, StateError>>;

    /// Moves the cursor of `route` from generation `expected` (0: there is none yet) to the next one, which it returns once
    /// that is durable. After a failure the same call may be repeated.
    fn advance<'a>(
        &'a self,
        route: &'a str,
        expected: u64,
        cursor: Arc<Cursor>,
    ) -> BoxFuture<'a, Result<u64, StateError>>;
}

impl CursorStore for State {
    fn load<'a>(&'a self, route: &'a str) -> BoxFuture<'a, Result<Option<StoredCursor>, StateError>> {
        State::load(self, route).boxed()
    }

    fn advance<'a>(
        &'a self,
        route: &'a str,
        expected: u64,
        cursor: Arc<Cursor>,
    ) -> BoxFuture<'a, Result<u64, StateError>> {
        State::advance(self, route, expected, cursor).boxed()
    }
}
