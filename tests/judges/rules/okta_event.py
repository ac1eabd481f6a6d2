"""An event as Okta sends it, and where in it the fields of rules stand. Written by what Okta and Elastic document, and not
by what oktabus does with it: that is what is judged."""

import copy
import json
import re

BASE = {
    "uuid": "11111111-1111-4111-8111-111111111111",
    "published": "2026-11-01T10:00:00.000Z",
    "eventType": "user.session.start",
    "version": "0",
    "severity": "INFO",
    "legacyEventType": "core.user_auth.login_success",
    "displayMessage": "User login to Okta",
    "actor": {"id": "00u1actor", "type": "User", "alternateId": "jo.doe@corp.example", "displayName": "Jo Doe",
              "detailEntry": None},
    "client": {
        "userAgent": {"rawUserAgent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120.0", "os": "Windows 10",
                      "browser": "CHROME"},
        "zone": "OffNetwork", "device": "Computer", "id": None, "ipAddress": "198.51.100.10",
        "geographicalContext": {"city": "Oslo", "state": "Oslo County", "country": "Norway", "postalCode": "0150",
                                "geolocation": {"lat": 59.9, "lon": 10.7}},
    },
    "device": None,
    "authenticationContext": {
        "authenticationProvider": None, "credentialProvider": None, "credentialType": None,
        "issuer": {"id": "0oa1issuer", "type": "OIDC"}, "interface": None, "authenticationStep": 0,
        "rootSessionId": "idxRoot1", "externalSessionId": "idxExt1",
    },
    "outcome": {"result": "SUCCESS", "reason": None},
    "target": [
        {"id": "00u1target", "type": "User", "alternateId": "sam.low@corp.example", "displayName": "Sam Low",
         "detailEntry": None},
        {"id": "0oa1app", "type": "AppInstance", "alternateId": "Payroll", "displayName": "Payroll", "detailEntry": None},
    ],
    "transaction": {"type": "WEB", "id": "tx1", "detail": {}},
    "request": {"ipChain": [{"ip": "198.51.100.10", "version": "V4", "source": None}]},
    "securityContext": {"asNumber": 64500, "asOrg": "example net", "isp": "example isp", "domain": "example.net",
                        "isProxy": False},
    "debugContext": {"debugData": {"requestId": "r1", "dtHash": "f0e1d2", "requestUri": "/idp/idx/identify",
                                   "url": "/idp/idx/identify?", "threatSuspected": "false", "deviceFingerprint": "fp9"}},
}

# Fields of ECS and of Elastic's integration that are not just Okta's own name in snake case.
ELASTIC = {
    "event.action": "eventType",
    "event.reason": "outcome.reason",
    "message": "displayMessage",
    "user_agent.original": "client.userAgent.rawUserAgent",
    "user_agent.os.name": "client.userAgent.os",
    "user_agent.name": "client.userAgent.browser",
    "user.name": "actor.alternateId",
    "user.email": "actor.alternateId",
    "user.id": "actor.id",
    "user.full_name": "actor.displayName",
    "client.user.name": "actor.displayName",
    "client.ip": "client.ipAddress",
    "source.ip": "client.ipAddress",
    "client.geo.country_name": "client.geographicalContext.country",
    "client.geo.city_name": "client.geographicalContext.city",
    "client.geo.region_name": "client.geographicalContext.state",
    "source.geo.country_name": "client.geographicalContext.country",
    "source.geo.city_name": "client.geographicalContext.city",
    "source.as.number": "securityContext.asNumber",
    "source.as.organization.name": "securityContext.asOrg",
    "okta.client.ip": "client.ipAddress",
    "okta.security_context.as.number": "securityContext.asNumber",
    "okta.security_context.as.organization.name": "securityContext.asOrg",
}
FLAGS = {"securityContext.isProxy"}
NUMBERS = {"authenticationContext.authenticationStep", "securityContext.asNumber"}
OUTCOMES = {"success": "SUCCESS", "failure": "FAILURE", "unknown": "UNKNOWN"}
# What says which log an event belongs to is the same for all of them, and so is what the integration makes of a type.
CONSTANT = ("data_stream.", "event.dataset", "event.module", "event.category", "event.kind", "event.type", "event.provider",
            "@timestamp")
DEBUG = "okta.debug_context.debug_data."


def okta_path(field):
    """Where Okta has what `field` of Elastic's says; none where Okta does not say it."""
    if field in ELASTIC:
        return ELASTIC[field]
    if field.startswith(DEBUG + "flattened."):
        return "debugContext.debugData." + field[len(DEBUG + "flattened."):]
    if field.startswith("okta."):
        return re.sub(r"_(\w)", lambda found: found[1].upper(), field[len("okta."):])
    return None


def typed(path, value):
    """The value as Okta would write it there."""
    if value is None:
        return None
    if path in FLAGS:
        return str(value).lower() == "true"
    if path in NUMBERS:
        return value if isinstance(value, int) else 7
    if path == "client.ipAddress" and not re.fullmatch(r"[0-9.]+", value):
        return "203.0.113.77"
    fired = "POSITIVE" if "POSITIVE" in str(value) else "NEGATIVE"
    if path == "debugContext.debugData.behaviors" and not value.startswith("{"):
        return f"{{New Geo-Location=NEGATIVE, New Device={fired}}}"
    if path == "debugContext.debugData.logOnlySecurityData" and not value.startswith("{"):
        return json.dumps({"risk": {"level": "LOW"}, "behaviors": {"New Device": fired}})
    return value


def event(changes):
    """The base event with other values at some of Okta's paths; None takes a value away."""
    made = copy.deepcopy(BASE)
    for path, value in changes.items():
        at, steps = made, path.split(".")
        for step in steps[:-1]:
            at = at.setdefault(step, {}) if isinstance(at, dict) else at
            if isinstance(at, list):
                at = at[target_index(changes)]
            elif at is None:
                break
        at[steps[-1]] = typed(path, value)
    return made


def target_index(changes):
    """Which target a rule means: it says what it is by the event type only."""
    return 0 if changes.get("eventType", "").startswith("user.lifecycle") else 1


def elastic_changes(field, value):
    """The changes that let `field` have `value`."""
    if field.startswith(CONSTANT):
        return {}
    if field == "event.outcome":
        return {"outcome.result": OUTCOMES.get(value, "UNKNOWN")}
    if field.startswith(DEBUG + "risk_") or field == DEBUG + "threat_suspected":
        name = field[len(DEBUG):]
        return {
            "risk_level": {"debugContext.debugData.risk": value and f"{{level={value}}}"},
            "risk_reasons": {"debugContext.debugData.risk": value and f"{{reasons={value}, level=HIGH}}"},
            "risk_behaviors": {"debugContext.debugData.behaviors": value and f"{{{value}=POSITIVE}}"},
            "threat_suspected": {"debugContext.debugData.threatSuspected": value and str(value).lower()},
        }[name]
    path = okta_path(field)
    if path is None:
        raise LookupError(field)
    return {path: value}
