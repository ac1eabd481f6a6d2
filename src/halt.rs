//! The error type of work that ended before it was done. A stop is no failure, but is passed on with `?` like one.

/// The work was stopped before it was done, and continues after the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// Why work ended before it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt<E> {
    /// It was stopped.
    Stopped,
    /// It failed, and cannot continue.
    Failed(E),
}

impl<E> Halt<E> {
    /// Converts the error.
    pub fn widen<W: From<E>>(self) -> Halt<W> {
        match self {
            Self::Stopped => Halt::Stopped,
            Self::Failed(err) => Halt::Failed(err.into()),
        }
    }
}

impl<E> From<Stopped> for Halt<E> {
    fn from(Stopped: Stopped) -> Self {
        Self::Stopped
    }
}
