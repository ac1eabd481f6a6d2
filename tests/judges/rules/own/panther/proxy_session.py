"""A session by way of a proxy."""


def rule(event):
    return event.get("eventType") == "user.session.start" and event.deep_get("securityContext", "isProxy", default=False)
