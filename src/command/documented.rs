//! The documentation of commands says what the code does.

use schemars::SchemaGenerator;
use serde_json::Value;

use super::{Action, engine, execute::Code};

const DOCS: &str = include_str!("../../docs/commands.md");

/// The parameters of `action`: those that may be left out in brackets.
fn parameters(action: Action) -> String {
    let mut generator = SchemaGenerator::default();
    let schema = action.parameters_schema(&mut generator).to_value();
    let name = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()).unwrap();
    let schema = &generator.definitions()[name];
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let properties = schema["properties"].as_object().unwrap();
    let shown = |name: &String| {
        if required.iter().any(|required| required == name) {
            format!("`{name}`")
        } else {
            format!("[`{name}`]")
        }
    };
    let (mut needed, others): (Vec<_>, Vec<_>) =
        properties.keys().map(shown).partition(|name| name.starts_with('`'));
    needed.extend(others);
    needed.join(" ")
}

#[test]
fn every_action_has_its_row() {
    for action in Action::ALL {
        let (name, scope, about) = (action.name(), action.scope().name(), action.about());
        let row = format!("| `{name}` | {} | `{scope}` | {about} |", parameters(*action));
        assert!(DOCS.lines().any(|line| line.starts_with(&row)), "the documentation needs the row\n{row}");
    }
}

#[test]
fn every_code_has_its_row() {
    let of_okta = Code::ALL.iter().map(|code| (code.name(), code.remedy()));
    for (code, text) in of_okta.chain(engine::CODES.iter().copied()) {
        let row = format!("| `{code}` | {text} |");
        assert!(DOCS.lines().any(|line| line == row), "the documentation needs the row\n{row}");
    }
}
