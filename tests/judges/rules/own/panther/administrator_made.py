"""Somebody became an administrator."""


def rule(event):
    granted = event.deep_get("debugContext", "debugData", "privilegeGranted", default="")
    user = next((target for target in event.get("target", []) if target.get("type") == "User"), {})
    return (
        event.get("eventType") == "user.account.privilege.grant"
        and "administrator" in granted
        and user.get("alternateId", "").endswith("@acme.example")
        and event.deep_get("actor", "type") == "User"
        and event.deep_get("outcome", "result") == "SUCCESS"
        and event.deep_get("client", "ipAddress", default="").startswith("198.51.100.")
    )
