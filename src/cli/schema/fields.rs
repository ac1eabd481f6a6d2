//! The map of fields, for whoever translates rules: as JSON, or as a table for people.

use std::fmt::Write as _;

use okta_system_log::format::fields::{FieldMapping, Place, fields};
use serde_json::{Value, json};

/// As JSON: an array with an object for each field.
pub(super) fn as_json() -> String {
    let place = |place: &Place| json!({ "same": place.same, "also": place.also, "made": place.made });
    let row = |field: FieldMapping| {
        json!({
            "okta": field.okta,
            "target_type": field.target_type,
            "ocsf": place(&field.ocsf),
            "ecs": place(&field.ecs),
            "udm": place(&field.udm),
            "conversion": field.conversion,
        })
    };
    format!("{:#}\n", fields().map(row).collect::<Value>())
}

/// As a table in Markdown.
pub(super) fn as_table() -> String {
    let mut table = "| Okta | OCSF | ECS | UDM | conversion |\n|---|---|---|---|---|\n".to_owned();
    for field in fields() {
        let okta = match field.target_type {
            Some(target_type) => field.okta.replacen("target", &format!("target[{target_type}]"), 1),
            None => field.okta,
        };
        let [ocsf, ecs, udm] = [&field.ocsf, &field.ecs, &field.udm].map(cell);
        // Writing to a String cannot fail.
        let _ = writeln!(table, "| `{okta}` | {ocsf} | {ecs} | {udm} | {} |", field.conversion);
    }
    table
}

/// Where a value is as Okta wrote it, then what is made from it. What only repeats it is left out.
fn cell(place: &Place) -> String {
    let same = place.same.iter().map(|path| format!("`{path}`"));
    let made = place.made.iter().map(|path| format!("→ `{path}`"));
    same.chain(made).collect::<Vec<_>>().join(", ")
}
