//! How work says that it ended before it was done. Told to stop is no failure, and yet it goes the way of one: through `?`.

/// It was told to stop before it was done. What is left is done after the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// Why work ended before it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt<E> {
    /// It was told to stop.
    Stopped,
    /// It cannot go on.
    Failed(E),
}

impl<E> Halt<E> {
    /// The same for whoever knows more errors.
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
