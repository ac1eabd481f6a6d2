//! A life that ends at one of its awaits.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// Work that is dropped so many polls after something has happened, whatever it awaits then. Gives what it comes to if that
/// is sooner.
pub(crate) struct Mortal<'a, F> {
    life: Pin<Box<F>>,
    has_happened: &'a dyn Fn() -> bool,
    polls: u32,
}

impl<'a, F: Future> Mortal<'a, F> {
    pub(crate) fn new(life: F, has_happened: &'a dyn Fn() -> bool, polls: u32) -> Self {
        Self { life: Box::pin(life), has_happened, polls }
    }
}

impl<F: Future> Future for Mortal<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if (self.has_happened)() {
            let Some(left) = self.polls.checked_sub(1) else { return Poll::Ready(None) };
            self.polls = left;
        }
        self.life.as_mut().poll(context).map(Some)
    }
}
