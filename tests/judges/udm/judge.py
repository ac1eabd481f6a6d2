"""Judges UDM events on standard input, one JSON object a line, by Google's own protobuf message for them.

Prints one JSON object: how many events there were, how many of each event type, and what is wrong with those that are
invalid. Ends with 1 if any is. The message is `google.backstory.UDM` of PyPI's google-backstory, read by Google's reader of
protobuf JSON, which refuses unknown fields, unknown values of enums and wrong types. Beyond that it looks at what Google's
UDM usage guide asks for and the message cannot say: the parts that each event type demands, the form of addresses and URLs,
fields that are not to be used. The guide is not machine-readable: what it says is written down here by hand.

    python3 judge.py < events.jsonl
"""

import collections
import ipaddress
import json
import pathlib
import re
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(sys.argv[0]).resolve().parents[3] / ".tools/judges-udm-python/python"))

from google.backstory.types import udm  # noqa: E402
from google.protobuf import json_format  # noqa: E402

SHOWN_MAX = 20
NOUNS = ("principal", "target", "src", "observer")
ALL_NOUNS = NOUNS + ("about", "intermediary")
MACHINE = ("ip", "hostname", "mac", "asset_id")

# Fields that the message or the guide calls deprecated, or that Google alone fills in.
NOT_TO_BE_USED = {
    "google.backstory.Noun": {"labels", "ip_geo_artifact", "ip_location"},
    "google.backstory.Location": {"region_latitude", "region_longitude"},
    "google.backstory.Resource": {"type", "id", "parent"},
    "google.backstory.User": {"role_name", "role_description", "user_role", "groupid"},
    "google.backstory.SecurityResult": {"outcomes", "rule_set", "rule_set_display_name"},
    "google.backstory.Metadata": {"id", "ingested_timestamp", "tags", "enrichment_state", "parser_version"},
    "google.backstory.UDM": {"extracted", "grouped"},
}

RESTRICTED = {"EVENTTYPE_UNSPECIFIED", "ENTITY_RISK_CHANGE", "USER_STATS", "EMAIL_URL_CLICK"}


def problems_of_names(value, descriptor, path):
    """Fields are named as in the message, and none is empty or not to be used."""
    # What is called `type` cannot be called so in Python.
    fields = {field.name.rstrip("_"): field for field in descriptor.fields}
    for name, inner in value.items():
        field = fields.get(name)
        if field is None:
            yield f"{path}{name} is not named as in {descriptor.full_name}"
            continue
        if name in NOT_TO_BE_USED.get(descriptor.full_name, ()):
            yield f"{path}{name} is not to be used"
        if inner is None or inner == {} or inner == [] or inner == "":
            yield f"{path}{name} is empty"
        if not field.message_type or field.message_type.full_name.startswith("google.protobuf."):
            continue
        for element in inner if isinstance(inner, list) else [inner]:
            if element == {}:
                yield f"{path}{name} has an empty element"
            yield from problems_of_names(element, field.message_type, f"{path}{name}.")


def nouns(event):
    for name in ALL_NOUNS:
        value = event.get(name, [])
        for noun in value if isinstance(value, list) else [value]:
            yield name, noun


def has_machine(noun):
    return any(member in noun for member in MACHINE)


def problems_of_nouns(event):
    for name, noun in nouns(event):
        for address in noun.get("ip", []):
            try:
                ipaddress.ip_address(address)
            except ValueError:
                yield f"{name}.ip {address!r} is no address"
        if "port" in noun and not (0 < noun["port"] < 65536 and len(noun.get("ip", [])) == 1):
            yield f"{name}.port {noun['port']} is not that of one address"
        if not re.fullmatch(r"[A-Za-z0-9]{1,32}:[A-Za-z0-9.-]{1,128}", noun.get("asset_id", "Okta:x")):
            yield f"{name}.asset_id {noun['asset_id']!r} is not a vendor and an id"
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", noun.get("hostname", "x")):
            yield f"{name}.hostname {noun['hostname']!r} is none"
        url = urllib.parse.urlsplit(noun.get("url", "https://x/"))
        if not (url.scheme in ("http", "https") and url.netloc):
            yield f"{name}.url {noun['url']!r} has no scheme and host"
        for address in noun.get("user", {}).get("email_addresses", []):
            if not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
                yield f"{name}.user.email_addresses {address!r} is none"
    for member in ("email", "file", "registry"):
        if member in event.get("principal", {}):
            yield f"principal.{member} is not allowed"


def problems_of_labels(value, path):
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("labels", "detection_fields", "rule_labels"):
                for label in inner:
                    if set(label) != {"key", "value"}:
                        yield f"{path}{name} has a label with {sorted(label)}"
            yield from problems_of_labels(inner, f"{path}{name}.")
    elif isinstance(value, list):
        for inner in value:
            yield from problems_of_labels(inner, path)


def problems_of_demands(event):
    """What the guide demands of each type. For groups it demands nothing: a group is expected. For USER_UNCATEGORIZED a user
    who acts is taken for enough, as in the events of Google's own Okta parser."""
    event_type = event["metadata"]["event_type"]
    principal, target = event.get("principal", {}), event.get("target", {})
    machine = has_machine(principal) or has_machine(target)
    place = "application" in target or has_machine(target)

    def demand(holds, what):
        if not holds:
            yield f"{event_type} demands {what}"

    if event_type in RESTRICTED:
        yield f"{event_type} is not for others than Google"
    elif event_type in ("USER_LOGIN", "USER_LOGOUT"):
        yield from demand("user" in target, "target.user")
        yield from demand(machine, "a machine in principal or target")
        yield from demand(place, "an application or a machine in target")
        auth = event.get("extensions", {}).get("auth", {})
        yield from demand("type" in auth and "mechanism" in auth, "extensions.auth with type and mechanism")
        if auth.get("outcome") == "FAILURE":
            categories = [category for result in event["security_result"] for category in result.get("category", [])]
            yield from demand("AUTH_VIOLATION" in categories, "AUTH_VIOLATION where it fails")
    elif event_type in ("USER_CREATION", "USER_DELETION", "USER_CHANGE_PASSWORD", "USER_CHANGE_PERMISSIONS"):
        yield from demand("user" in target, "target.user")
        yield from demand(machine, "a machine in principal or target")
    elif event_type == "USER_UNCATEGORIZED":
        yield from demand("user" in target or "user" in principal, "a user")
        yield from demand(machine, "a machine in principal or target")
        yield from demand(place, "a target")
    elif event_type.startswith("USER_RESOURCE_"):
        yield from demand("user" in principal, "principal.user")
        yield from demand("resource" in target, "target.resource")
    elif event_type.startswith("RESOURCE_"):
        yield from demand("resource" in target, "target.resource")
        yield from demand(machine, "a machine in principal or target")
    elif event_type.startswith("GROUP_"):
        yield from demand("group" in target, "target.group")
        yield from demand(machine, "a machine in principal or target")
    else:
        yield from demand(event_type == "GENERIC_EVENT", "a rule in this judge")


def problems_of_metadata(event):
    metadata = event["metadata"]
    for member in ("event_timestamp", "event_type", "vendor_name", "product_name", "product_log_id"):
        if member not in metadata:
            yield f"metadata.{member} is missing"
    for key, value in event.get("additional", {}).items():
        if not isinstance(value, str) or not value:
            yield f"additional.{key} is no text"


def judge(event):
    message = json_format.ParseDict(event, udm.UDM.pb(udm.UDM()))
    problems = list(problems_of_names(event, message.DESCRIPTOR, ""))
    problems += problems_of_metadata(event)
    problems += problems_of_nouns(event)
    problems += problems_of_labels(event, "")
    problems += problems_of_demands(event)
    return problems


def main():
    events, invalid, shown = 0, 0, []
    types = collections.Counter()
    for line in sys.stdin:
        events += 1
        event = json.loads(line)
        try:
            problems = judge(event)
            types[event["metadata"]["event_type"]] += 1
        except (AttributeError, KeyError, TypeError, json_format.ParseError) as error:
            problems = [f"not a UDM event: {str(error)[:300] or error!r}"]
        if problems:
            invalid += 1
            if len(shown) < SHOWN_MAX:
                name = event.get("metadata", {}).get("product_event_type") if isinstance(event, dict) else None
                shown.append({"line": events, "event_type": name, "problems": problems[:5]})
    json.dump({"events": events, "invalid": invalid, "classes": types, "shown": shown}, sys.stdout)
    return 1 if invalid else 0


sys.exit(main())
