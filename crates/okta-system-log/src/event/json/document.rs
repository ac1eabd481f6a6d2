//! One JSON value with the tape that it is on, wherever that is kept.

use std::rc::Rc;

use super::{Tape, Value};

/// A value that can be looked at as often as one likes.
#[derive(Debug, Clone)]
pub(crate) struct Document<'a> {
    text: &'a str,
    tape: Source<'a>,
    at: u32,
}

/// Who keeps the tape.
#[derive(Debug, Clone)]
enum Source<'a> {
    /// The page that the value is a part of.
    Page(&'a Tape),
    /// Those who look at it.
    Shared(Rc<Tape>),
}

static NOTHING: Tape = Tape::EMPTY;

impl<'a> Document<'a> {
    /// The value at `at` of `tape`, which was read from `text`.
    pub(crate) fn on_page(text: &'a str, tape: &'a Tape, at: u32) -> Self {
        Self { text, tape: Source::Page(tape), at }
    }

    /// Reads `text`, whose only value is at its beginning. What is no JSON is nothing.
    pub(crate) fn read(text: &'a str) -> Self {
        match Tape::of(text) {
            Some((tape, read)) => Self { text, tape: Source::Shared(Rc::new(tape)), at: read.at },
            None => Self::default(),
        }
    }

    /// The whole text in which it lies.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// The value.
    #[inline]
    pub(crate) fn value(&self) -> Value<'a, '_> {
        let tape = match &self.tape {
            Source::Page(tape) => tape,
            Source::Shared(tape) => &**tape,
        };
        Value::new(self.text, tape, self.at)
    }

    /// The value at `at` of the same tape.
    #[inline]
    pub(crate) fn part(&self, at: u32) -> Self {
        Self { text: self.text, tape: self.tape.clone(), at }
    }
}

impl Default for Document<'_> {
    /// Nothing: no value of any kind.
    fn default() -> Self {
        Self { text: "", tape: Source::Page(&NOTHING), at: 0 }
    }
}

impl<'a> From<&'a str> for Document<'a> {
    fn from(text: &'a str) -> Self {
        Self::read(text)
    }
}

impl<'a> From<&Self> for Document<'a> {
    fn from(document: &Self) -> Self {
        document.clone()
    }
}
