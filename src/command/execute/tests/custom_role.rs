//! Custom roles with a resource set: both are looked up first, and the same role with another set is another
//! assignment.

use serde_json::{Value, json};

use super::{
    absent, ada,
    org::Command,
    sent::{Row, row},
};
use crate::command::SuccessKind;

/// The rows of the table.
pub(super) fn rows() -> Vec<Row> {
    let roles = "GET /users/00u1/roles";
    let active = || ("GET /users/00u1", 200, ada("ACTIVE"));
    let none = || (roles, 200, json!([]));
    let shown = |names: &[&str]| json!({ "roles": names });
    let custom = || json!({ "user": "00u1", "role": "Help Line", "resource_set": "iam1" });
    let looked = || {
        let role = ("GET /iam/roles/Help%20Line", 200, json!({ "id": "cr01", "label": "Help Line" }));
        let set = ("GET /iam/resource-sets/iam1", 200, json!({ "id": "iam1", "label": "People" }));
        vec![active(), role, set, active()]
    };
    let custom_held = |set: &str| json!([{ "id": "ra2", "type": "CUSTOM", "role": "cr01", "resource-set": set, "assignmentType": "USER" }]);
    let assign_custom = (
        r#"POST /users/00u1/roles {"resource-set":"iam1","role":"cr01","type":"CUSTOM"}"#,
        201,
        json!({ "id": "ra1" }),
    );
    let elsewhere = || (roles, 200, custom_held("iam2"));
    let here = || (roles, 200, custom_held("iam1"));
    let unassign_custom = ("DELETE /users/00u1/roles/ra2", 204, Value::Null);
    vec![
        row(
            "role.assign_user",
            custom(),
            [looked(), vec![elsewhere(), assign_custom, here()]].concat(),
            SuccessKind::Done,
            (shown(&["cr01 on iam2"]), shown(&["cr01 on iam1"])),
        ),
        row(
            "role.unassign_user",
            custom(),
            [looked(), vec![here(), unassign_custom, none()]].concat(),
            SuccessKind::Done,
            (shown(&["cr01 on iam1"]), shown(&[])),
        ),
    ]
}

#[tokio::test]
async fn a_custom_role_or_resource_set_that_there_is_not_is_told_and_nothing_is_sent() {
    let active = ("GET /users/00u1", 200, ada("ACTIVE"));
    let role = ("GET /iam/roles/Help%20Line", 200, json!({ "id": "cr01", "label": "Help Line" }));
    let (no_role, no_set) =
        (("GET /iam/roles/Helper", 404, absent()), ("GET /iam/resource-sets/People", 404, absent()));
    for (named, script) in [
        ("Helper", vec![active.clone(), no_role]),
        ("Help Line", vec![active.clone(), role, no_set]),
        // As a segment of the path it would mean all roles.
        ("..", vec![active]),
    ] {
        let parameters = json!({ "user": "00u1", "role": named, "resource_set": "People" });
        let failed = Command::new("role.assign_user", parameters).run(script).await.unwrap_err();
        assert_eq!(failed.error.code, "role_not_found", "{named}");
    }
}
