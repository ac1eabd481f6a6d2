//! The files of the status page, which are parts of the binary. They show nothing by themselves, so that anybody may have them who
//! knows the address; what is shown they ask `api` for.

use axum::{
    Router,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    routing::get,
};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const ICON: &str = "image/svg+xml";

macro_rules! page_file {
    ($path:literal, $file:literal, $kind:ident) => {
        ($path, $kind, include_str!(concat!("page/", $file)))
    };
}

/// Path, media type and text of each.
const FILES: [(&str, &str, &str); 14] = [
    page_file!("/", "index.html", HTML),
    page_file!("/page/style.css", "style.css", CSS),
    page_file!("/page/icon.svg", "icon.svg", ICON),
    page_file!("/page/main.js", "main.js", SCRIPT),
    page_file!("/page/api.js", "api.js", SCRIPT),
    page_file!("/page/dom.js", "dom.js", SCRIPT),
    page_file!("/page/words.js", "words.js", SCRIPT),
    page_file!("/page/chart.js", "chart.js", SCRIPT),
    page_file!("/page/verdict.js", "verdict.js", SCRIPT),
    page_file!("/page/routes.js", "routes.js", SCRIPT),
    page_file!("/page/tables.js", "tables.js", SCRIPT),
    page_file!("/page/commands.js", "commands.js", SCRIPT),
    page_file!("/page/tail.js", "tail.js", SCRIPT),
    page_file!("/page/actions.js", "actions.js", SCRIPT),
];

/// Serves them. A browser asks again each time, since another version may be there.
pub(super) fn files<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.into_iter().fold(Router::new(), |router, (path, kind, text)| {
        router.route(path, get(async move || ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_asks_for_nothing_but_its_own_files_by_relative_paths() {
        let [(_, _, html), ..] = FILES;
        for attribute in ["src=\"", "href=\""] {
            for reference in html.split(attribute).skip(1) {
                let reference = reference.split('"').next().unwrap();
                let is_own = FILES.iter().any(|(path, ..)| path.strip_prefix('/') == Some(reference));
                assert!(is_own || reference.starts_with('#'), "{reference}");
            }
        }
        for (path, _, text) in FILES {
            let text = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains("http://"), "{path} names another place");
            assert!(!text.contains("https://"), "{path} names another place");
            assert!(!text.contains("innerHTML"), "{path}: texts of others must stay texts");
            for import in text.split("from \"").skip(1) {
                let import = import.split('"').next().unwrap();
                let own = import.strip_prefix("./").map(|name| format!("/page/{name}"));
                assert!(
                    own.is_some_and(|own| FILES.iter().any(|(path, ..)| *path == own)),
                    "{path}: {import}"
                );
            }
        }
        assert!(!html.contains("style=") && !html.contains("<style") && !html.contains("onclick"), "inline");
    }
}
