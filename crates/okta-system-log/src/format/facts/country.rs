//! The code of a country by the name that Okta writes, which is the English name of a database of places.

use std::{cmp::Ordering, sync::LazyLock};

/// Codes of ISO 3166-1, each with the names that mean it: the short English name and those of the databases. Kosovo has
/// the code that is in general use for it.
const TABLE: &str = include_str!("countries.csv");

/// Names and codes, in the order of [`compare`].
static NAMES: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
    let rows = TABLE.lines().skip(1).filter_map(|line| line.split_once(','));
    let mut names: Vec<_> = rows
        .flat_map(|(code, names)| names.split('|').map(move |name| (name, code)).chain([(code, code)]))
        .collect();
    names.sort_unstable_by(|(one, _), (other, _)| compare(one, other));
    names
});

/// The two letters of the country that `name` is; None if nobody knows it.
pub(in crate::format) fn country_code(name: &str) -> Option<&'static str> {
    let name = name.trim_ascii();
    let at = NAMES.binary_search_by(|(known, _)| compare(known, name)).ok()?;
    NAMES.get(at).map(|(_, code)| *code)
}

/// An order in which names are the same whose letters are, large or small: by the length, which tells most apart, and then
/// by the letters.
fn compare(one: &str, other: &str) -> Ordering {
    let letters = || {
        let [one, other] = [one, other].map(|text| text.bytes().map(|byte| byte.to_ascii_lowercase()));
        one.cmp(other)
    };
    one.len().cmp(&other.len()).then_with(letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_known_by_every_name_of_theirs() {
        for (name, code) in [
            ("United States", "US"),
            ("Norway", "NO"),
            ("United Kingdom", "GB"),
            ("UK", "GB"),
            ("South Korea", "KR"),
            ("Russia", "RU"),
            ("Russian Federation", "RU"),
            ("Türkiye", "TR"),
            ("Turkey", "TR"),
            ("Czechia", "CZ"),
            ("CZECH REPUBLIC", "CZ"),
            ("Ivory Coast", "CI"),
            ("Iran, Islamic Republic of", "IR"),
            ("Kosovo", "XK"),
            // As Java names places.
            ("Hong Kong SAR China", "HK"),
            ("Macao SAR China", "MO"),
            ("Congo - Kinshasa", "CD"),
            ("St. Lucia", "LC"),
            ("de", "DE"),
            (" Germany ", "DE"),
        ] {
            assert_eq!(country_code(name), Some(code), "{name}");
        }
        for unknown in ["", "Atlantis", "Europe", "XX", "é"] {
            assert_eq!(country_code(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn no_name_means_two_countries() {
        assert!(NAMES.windows(2).all(|pair| compare(pair[0].0, pair[1].0) == Ordering::Less));
        assert!(
            NAMES
                .iter()
                .all(|(_, code)| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()))
        );
        assert_eq!(TABLE.lines().count(), 1 + 249 + 1);
    }
}
