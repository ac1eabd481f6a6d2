//! The pages as a site: its contents name each, and every link within the repository leads somewhere.

use std::fs;

use super::{pages, repository};

#[test]
fn every_page_is_in_the_contents_of_the_site_and_every_link_leads_somewhere() {
    let contents = fs::read_to_string(repository().join("docs/SUMMARY.md")).unwrap();
    for page in pages().iter().filter_map(|page| page.strip_prefix("docs/")) {
        let is_listed = page == "SUMMARY.md" || contents.contains(&format!("({page})"));
        assert!(is_listed, "docs/SUMMARY.md does not name {page}");
    }
    for page in pages() {
        let (path, text) = (repository().join(&page), fs::read_to_string(repository().join(&page)).unwrap());
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next()) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            // `deploy/docs/build` makes the introduction of the README.
            if file.contains("://") || file == "introduction.md" || target.is_empty() {
                continue;
            }
            let to = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(to.exists(), "{page} links to {target}, which is not there");
            if !heading.is_empty() {
                let text = fs::read_to_string(&to).unwrap();
                let is_there =
                    text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading);
                assert!(is_there, "{page} links to {target}, which is no heading there");
            }
        }
    }
}

/// The anchor of a heading, as mdBook and others make it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
