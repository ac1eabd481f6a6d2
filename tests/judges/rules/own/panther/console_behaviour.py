"""A visitor of the admin console about whom something is new."""


def rule(event):
    names = event.deep_walk("target", "displayName", default=[])
    behaviours = event.deep_get("debugContext", "debugData", "behaviors", default="")
    return (
        event.get("eventtype") == "policy.evaluate_sign_on"
        and "Okta Admin Console" in names
        and "New Device=POSITIVE" in behaviours
    )
