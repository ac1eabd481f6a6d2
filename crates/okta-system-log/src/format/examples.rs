//! The examples of `docs/examples.md` are what is rendered.

use bytes::Bytes;
use serde_json::Value;

use super::{Format, Renderer};
use crate::event::Events;

const PAGE: &str = include_str!("../../../../docs/examples.md");
const FORMATS: [Format; 3] = [Format::Ocsf, Format::Ecs, Format::Udm];
const EVENTS: usize = 3;

fn render(format: Format, event: &str) -> Value {
    // On one line, as Okta writes it.
    let event: String = event.lines().map(str::trim).collect();
    let events = Events::parse(Bytes::from(format!("[{event}]"))).unwrap();
    let renderer = Renderer { format, tenant: Some("acme.okta.com".to_owned()), ..Renderer::default() };
    serde_json::from_slice(&renderer.render(&events.get(0).unwrap(), None).bytes).unwrap()
}

#[test]
fn the_examples_of_the_page_are_what_is_rendered() {
    let blocks = PAGE.split("```json\n").skip(1);
    let blocks: Vec<_> = blocks.map(|block| block.split_once("```").unwrap().0).collect();
    assert_eq!(blocks.len(), EVENTS * (1 + FORMATS.len()));
    for group in blocks.chunks_exact(1 + FORMATS.len()) {
        for (format, told) in FORMATS.into_iter().zip(&group[1..]) {
            let rendered = render(format, group[0]);
            let told: Value = serde_json::from_str(told).unwrap();
            assert_eq!(rendered, told, "docs/examples.md should say\n{rendered:#}");
        }
    }
}
