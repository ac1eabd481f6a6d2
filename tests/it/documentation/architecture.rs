//! The page about the architecture names what there is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::repository;

/// All sources below `folder`.
pub(super) fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["src", "crates", "tests", "benches"] {
        sources(&repository().join(folder), &mut found);
    }
    found
}

pub(super) fn page() -> String {
    fs::read_to_string(repository().join("docs/architecture.md")).unwrap()
}

/// What stands in backticks on the page, code blocks left out.
fn quoted(page: &str) -> impl Iterator<Item = &str> {
    let texts = page.split("```").step_by(2);
    texts.flat_map(|text| text.lines()).flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The rows of the table below `heading`, each as its first cell.
pub(super) fn rows<'a>(page: &'a str, heading: &str) -> Vec<&'a str> {
    let section = page.split(&format!("\n{heading}\n")).nth(1).unwrap().split("\n#").next().unwrap();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    // The first row is the heading of the table.
    cells.skip(1).collect()
}

#[test]
fn every_file_that_the_page_names_is_there() {
    let (page, sources) = (page(), all_sources());
    let is_there = |name: &str| sources.iter().any(|path| path.ends_with(name));
    let names = quoted(&page).filter(|text| text.ends_with(".rs") && !text.contains(['<', ' ', ',']));
    let missing: Vec<_> = names.filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "the page names {missing:?}, which are not there");
}

/// The sources of the daemon below `folder`, each as its path in there and its text.
fn texts(folder: &str) -> Vec<(String, String)> {
    let folder = repository().join(folder);
    let mut found = Vec::new();
    sources(&folder, &mut found);
    let text = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned(), text)
    };
    found.into_iter().map(text).collect()
}

#[test]
fn the_client_of_a_bus_is_named_in_its_room_and_in_files_that_bear_the_name_of_the_bus() {
    for (client, bus) in [("rdkafka::", "/kafka"), ("async_nats::", "/nats")] {
        let may_name = |path: &str| {
            path.starts_with("bus/")
                || path.contains(bus) && (path.starts_with("sink/") || path.starts_with("command/"))
        };
        let named = texts("src").into_iter().filter(|(_, text)| text.contains(client));
        let elsewhere: Vec<_> = named.map(|(path, _)| path).filter(|path| !may_name(path)).collect();
        assert!(elsewhere.is_empty(), "{client} is named in {elsewhere:?}");
    }
}

#[test]
fn the_room_of_the_buses_imports_nothing_that_stands_above_it() {
    for (path, text) in texts("src/bus") {
        for room in ["app", "cli", "command", "okta", "replay", "route", "search", "sink", "source", "state"]
        {
            assert!(!text.contains(&format!("{room}::")), "src/bus/{path} imports {room}");
        }
    }
}

/// The rooms that a source imports by `crate::room` or `crate::{room, …}`. Comments do not count.
fn imported_rooms(text: &str) -> BTreeSet<String> {
    let code: Vec<_> = text.lines().map(|line| line.split("//").next().unwrap()).collect();
    let code = code.join("\n");
    let mut rooms = BTreeSet::new();
    let first_word =
        |path: &str| path.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned();
    for path in code.split("crate::").skip(1) {
        match path.strip_prefix('{') {
            Some(group) => rooms.extend(members_of_group(group).iter().map(|member| first_word(member))),
            None => rooms.extend([first_word(path)]),
        }
    }
    rooms
}

/// The members of the group of imports that `text` begins in, each with all that is below it.
fn members_of_group(text: &str) -> Vec<String> {
    let (mut depth, mut members) = (1, vec![String::new()]);
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => members.push(String::new()),
            _ => {}
        }
        if depth == 0 {
            break;
        }
        members.last_mut().unwrap().push(c);
    }
    members
}

/// The first part of a path in `src`: `command/mod.rs` and `app.rs` belong to the rooms `command` and `app`.
fn room_of(path: &str) -> String {
    path.split('/').next().unwrap().trim_end_matches(".rs").to_owned()
}

#[test]
fn no_two_rooms_import_each_other_directly_or_by_way_of_others() {
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in texts("src") {
        imports.entry(room_of(&path)).or_default().extend(imported_rooms(&text));
    }
    assert!(imports["cli"].contains("command") && imports["sink"].contains("bus"), "{imports:?}");
    let rooms: BTreeSet<_> = imports.keys().cloned().collect();
    for (room, imported) in &mut imports {
        imported.retain(|other| other != room && rooms.contains(other));
    }
    // Rooms that import nothing of what is left are taken away, until only circles are left.
    while let Some(lowest) = imports.iter().find(|(_, imported)| imported.is_empty()) {
        let lowest = lowest.0.clone();
        imports.remove(&lowest);
        for imported in imports.values_mut() {
            imported.remove(&lowest);
        }
    }
    assert!(imports.is_empty(), "these rooms import each other: {imports:?}");
}

#[test]
fn the_page_names_every_file_of_the_engine_of_commands() {
    let page = page();
    let section = page.split("\n## Commands at work\n").nth(1).unwrap().split("\n### ").next().unwrap();
    for entry in fs::read_dir(repository().join("src/command/engine")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let shown = if entry.path().is_dir() { format!("`{name}/`") } else { format!("`{name}`") };
        assert!(section.contains(&shown) || name == "simulation", "the page does not name {name}");
    }
}

#[test]
fn the_way_of_a_command_leads_through_functions_that_there_are() {
    let page = page();
    let way = rows(&page, "### The way of one command");
    assert!(way.len() > 10, "{way:?}");
    let section = page.split("\n### The way of one command\n").nth(1).unwrap().split("\n#").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    for row in rows {
        let mut cells = row.split('`').skip(1).step_by(2);
        let (function, file) = (cells.next().unwrap(), cells.next().unwrap());
        let name = function.rsplit("::").next().unwrap();
        let file = ["src/command/engine", "src/command"].map(|folder| repository().join(folder).join(file));
        let text = file.iter().find_map(|path| fs::read_to_string(path).ok()).unwrap();
        let is_there =
            [format!("fn {name}("), format!("fn {name}<")].iter().any(|text_of| text.contains(text_of));
        assert!(is_there, "{file:?} has no function {name}");
    }
}

#[test]
fn the_way_of_an_event_leads_through_functions_that_there_are() {
    let page = page();
    let section = page.split("\n### The way of one event\n").nth(1).unwrap().split("\n#").next().unwrap();
    let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(rows.len() > 10, "{rows:?}");
    for row in rows {
        let mut cells = row.split('`').skip(1).step_by(2);
        let (function, file) = (cells.next().unwrap(), cells.next().unwrap());
        let name = function.rsplit("::").next().unwrap();
        let text = fs::read_to_string(repository().join("src").join(file)).unwrap();
        let is_there = ["(", "<"].iter().any(|rest| text.contains(&format!("fn {name}{rest}")));
        assert!(is_there, "{file} has no function {name}");
    }
}

/// Standard output is the sink with the least of its own: whoever names it decides by the kind of a sink.
#[test]
fn a_sink_takes_six_files_of_code_and_the_page_names_them() {
    let page = page();
    let places = rows(&page, "## Adding a sink");
    let places: Vec<_> = places.into_iter().filter(|place| place.starts_with('`')).collect();
    assert_eq!(places.len(), 6, "{places:?}");
    let decides = |(path, text): &(String, String)| {
        let code = text.split("#[cfg(test)]").next().unwrap();
        let is_own = path.starts_with("sink/stdout/") || path == "command/publisher/stdout.rs";
        !is_own && !path.ends_with("tests.rs") && (code.contains("::Stdout(") || code.contains("mod stdout"))
    };
    let deciding = texts("src").into_iter().filter(decides).map(|(path, _)| format!("`src/{path}`"));
    let unnamed: Vec<_> = deciding.filter(|path| !places.contains(&path.as_str())).collect();
    assert!(unnamed.is_empty(), "these decide by the kind of a sink too: {unnamed:?}");
}

#[test]
fn the_words_of_the_glossary_are_those_of_the_code() {
    let page = page();
    let code = all_sources().into_iter().map(|path| fs::read_to_string(path).unwrap().to_lowercase());
    let code = code.collect::<Vec<_>>().join("\n");
    let words = rows(&page, "## Glossary");
    assert!(words.len() > 15, "{words:?}");
    for word in words.into_iter().filter(|word| !word.starts_with("---")) {
        let is_used = word.split(' ').all(|part| code.contains(part));
        assert!(is_used, "nothing in the code is called {word}");
    }
    for word in ["turn", "ordering key", "parked", "paused", "cancelled", "admission", "seam"] {
        assert!(page.contains(&format!("\n| {word} |")), "the glossary lacks {word}");
    }
}
