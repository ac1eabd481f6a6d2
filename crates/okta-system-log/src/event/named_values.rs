//! How the members of an object are called that has become a list of names and values, such as
//! `[{"name":"risk","value":"HIGH"}]`. One set of words, so that what is read is what is redacted.

/// What the name of a member stands under.
pub(crate) const NAMES: [&str; 3] = ["name", "key", "k"];
/// What its value stands under.
pub(crate) const VALUES: [&str; 3] = ["value", "val", "v"];

/// Whether `name` is one of `words`, in any case of its letters and with blanks around it.
pub(crate) fn is_any(words: &[&str], name: &str) -> bool {
    words.iter().any(|word| name.trim().eq_ignore_ascii_case(word))
}
