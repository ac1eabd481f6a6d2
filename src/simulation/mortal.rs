//! A life that ends at one of its awaits.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// Work that is dropped after so many polls, whatever it awaits then. Gives what it comes to if that is sooner.
pub(crate) struct Mortal<F> {
    life: Pin<Box<F>>,
    polls: u32,
}

impl<F: Future> Mortal<F> {
    pub(crate) fn new(life: F, polls: u32) -> Self {
        Self { life: Box::pin(life), polls }
    }
}

impl<F: Future> Future for Mortal<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(left) = self.polls.checked_sub(1) else { return Poll::Ready(None) };
        self.polls = left;
        self.life.as_mut().poll(context).map(Some)
    }
}
