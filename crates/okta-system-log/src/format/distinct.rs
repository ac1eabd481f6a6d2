//! Texts, each once.

use std::{borrow::Cow, collections::HashSet};

/// Texts in the order in which they came first.
#[derive(Debug, Default)]
pub(super) struct Distinct<'a> {
    pub(super) in_order: Vec<Cow<'a, str>>,
    /// The same, once they are many.
    known: HashSet<Cow<'a, str>>,
}

/// So many texts are compared one by one sooner than they are hashed.
const FEW: usize = 16;

impl<'a> Distinct<'a> {
    pub(super) fn add(&mut self, text: Cow<'a, str>) {
        if self.in_order.len() < FEW {
            if !self.in_order.contains(&text) {
                self.in_order.push(text);
            }
            return;
        }
        if self.known.is_empty() {
            self.known.extend(self.in_order.iter().cloned());
        }
        if self.known.insert(text.clone()) {
            self.in_order.push(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_there_once_however_many_there_are() {
        let mut texts = Distinct::default();
        let numbers = || (0..3 * FEW).map(|number| number.to_string());
        numbers().chain(numbers()).for_each(|text| texts.add(text.into()));
        assert_eq!(texts.in_order, numbers().collect::<Vec<_>>());
    }
}
