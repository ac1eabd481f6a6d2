//! What people watch: the figures of the last hour, and events as they are delivered.
//!
//! Both are bounded in memory, and nothing of delivery waits for them or depends on them. Knows messages, and neither routes nor
//! pages: whoever has figures hands them in, and whoever delivers says so.
//!
//! * [`History`] keeps samples of the figures of each route: the rate now, and a chart of the last hour.
//! * [`Tap`] is the place of one route where delivered messages pass. Without a [`Tail`] on it, it costs one load of an atomic.
//! * [`Tails`] are the taps of all routes; [`Tails::open`] gives a [`Tail`], of which there are only so many at a time.

mod history;
mod passed;
mod tail;
mod tap;

pub use history::{FIGURES_EVERY, History, LastHour, RouteFigures};
pub use passed::{PassedEvent, TailFilter};
pub use tail::{Passing, TAILS_MAX, Tail, TailError, Tails};
pub use tap::Tap;
