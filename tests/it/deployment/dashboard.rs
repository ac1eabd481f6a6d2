//! The dashboard for Grafana: written by its generator, complete, and about series that exist.

use std::process::Command;

use serde_json::Value;

use super::{documented_series, named_series, repository, text};

fn dashboard() -> Value {
    serde_json::from_str(&text("deploy/grafana/oktabus.json")).unwrap()
}

#[test]
fn the_dashboard_is_what_its_generator_writes() {
    let generated =
        Command::new("python3").arg(repository().join("deploy/grafana/generate.py")).output().unwrap();
    assert!(generated.status.success(), "{generated:?}");
    let is_same = String::from_utf8(generated.stdout).unwrap() == text("deploy/grafana/oktabus.json");
    assert!(is_same, "run `deploy/grafana/generate.py > deploy/grafana/oktabus.json`");
}

#[test]
fn every_panel_has_a_unit_a_description_and_a_query_about_a_documented_series() {
    let (dashboard, documented) = (dashboard(), documented_series());
    let panels = dashboard["panels"].as_array().unwrap();
    let mut shown = std::collections::BTreeSet::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().unwrap();
        let has = |pointer: &str| {
            panel.pointer(pointer).and_then(Value::as_str).is_some_and(|text| !text.is_empty())
        };
        assert!(has("/description") && has("/fieldConfig/defaults/unit"), "{title}");
        let queries = panel["targets"].as_array().unwrap();
        assert!(!queries.is_empty(), "{title}");
        for query in queries {
            let series = named_series(query["expr"].as_str().unwrap());
            assert!(!series.is_empty() && series.is_subset(&documented), "{title}: {series:?}");
            shown.extend(series);
        }
    }
    // What Okta leaves of its limit, pages and address space say nothing that another panel does not.
    let mut left_out: Vec<_> = documented.difference(&shown).collect();
    left_out.retain(|name| {
        !["oktabus_rate_limit_remaining", "oktabus_pages_delivered_total", "process_virtual_memory_bytes"]
            .contains(&name.as_str())
    });
    assert!(left_out.is_empty(), "no panel shows {left_out:?}");
}

#[test]
fn panels_stand_side_by_side_within_the_width_and_do_not_overlap() {
    let dashboard = dashboard();
    let place = |panel: &Value| {
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        (at("x"), at("y"), at("w"), at("h"))
    };
    let panels = dashboard["panels"].as_array().unwrap();
    for (index, panel) in panels.iter().enumerate() {
        let (x, y, w, h) = place(panel);
        assert!(x + w <= 24, "{panel}");
        assert_eq!(panel["id"].as_u64(), Some(index as u64 + 1));
        for other in &panels[..index] {
            let (ox, oy, ow, oh) = place(other);
            let is_apart = x >= ox + ow || ox >= x + w || y >= oy + oh || oy >= y + h;
            assert!(is_apart, "{} lies over {}", panel["title"], other["title"]);
        }
    }
}
