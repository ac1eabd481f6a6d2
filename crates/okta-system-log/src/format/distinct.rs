//! Texts, each once.

use std::{borrow::Cow, collections::HashSet};

/// Texts in the order in which they came first.
#[derive(Debug, Default)]
pub(super) struct Distinct<'a> {
    pub(super) in_order: Vec<Cow<'a, str>>,
    known: HashSet<Cow<'a, str>>,
}

impl<'a> Distinct<'a> {
    pub(super) fn add(&mut self, text: Cow<'a, str>) {
        if self.known.insert(text.clone()) {
            self.in_order.push(text);
        }
    }
}
