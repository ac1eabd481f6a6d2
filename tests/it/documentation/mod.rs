//! What the pages tell people to type: every configuration is understood, and every command runs or has a reason not to.

mod architecture;
mod commands;
mod configurations;
mod examples;
mod field_failures;
mod glossary;
mod links;
mod unit;

use std::{fs, path::Path};

/// A fenced block of a page.
#[derive(Debug, Clone)]
struct Block {
    /// Where it is, for people: `README.md:31`.
    place: String,
    language: String,
    text: String,
}

/// The pages that tell people to type something, in the order of their names.
fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned()];
    let entries = fs::read_dir(repository().join("docs")).unwrap();
    let mut docs: Vec<_> =
        entries.map(|entry| format!("docs/{}", entry.unwrap().file_name().to_str().unwrap())).collect();
    docs.sort();
    pages.append(&mut docs);
    pages
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The configurations of `page`, of which some are parts.
pub(crate) fn toml_blocks(page: &str) -> Vec<String> {
    blocks(page, "toml").into_iter().map(|block| block.text).collect()
}

/// The blocks of `page` in this language, in its order.
fn blocks(page: &str, language: &str) -> Vec<Block> {
    let text = fs::read_to_string(repository().join(page)).unwrap();
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (fence, &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => {
                let place = format!("{page}:{}", number + 1);
                open = Some(Block { place, language: language.trim().to_owned(), text: String::new() });
            }
            (None, Some(block)) => {
                block.text.push_str(line.trim_start_matches("   "));
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page} has a block without an end");
    blocks.retain(|block| block.language == language);
    blocks
}
