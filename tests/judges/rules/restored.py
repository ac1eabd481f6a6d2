"""Okta's event again, from what oktabus rendered and the map of fields: whoever has only the rendered event can know as much
as this. Nothing is taken from where the map does not say that it is."""

import csv
import pathlib

MAP = pathlib.Path(__file__).resolve().parents[3] / "crates/okta-system-log/src/format/fields.csv"
# Types of targets by the captions of OCSF; all others are told in Okta's own words.
TYPES = {"User": "User", "Group": "UserGroup", "Policy": "PolicyEntity", "Device": "UDDevice", "Network Zone": "NetworkZone"}
# Objects of OCSF that are targets of one type, whatever the event.
OBJECTS = {"user": "User", "group": "UserGroup", "service": "AppInstance", "resource": "AppInstance", "policy": "PolicyRule"}
AUTHENTICATION = 3002
# Users beside what an event is about, and their accounts in an application.
USERS = {"evidences.user": "User", "entity.user": "User", "entity.user.account": "AppUser", "user.account": "AppUser"}
SNAKE = {"alternate_id": "alternateId", "display_name": "displayName", "detail_entry": "detailEntry",
         "change_details": "changeDetails"}


# Flags that are labels of an event where they are raised.
LABELS = {"isProxy": "securityContext.isProxy", "threatSuspected": "debugContext.debugData.threatSuspected"}


def rows():
    with open(MAP, newline="") as table:
        header, *lines = table.read().splitlines()
    names = next(csv.reader([header]))
    return [dict(zip(names, line.split(",", len(names) - 1))) for line in lines]


ROWS = [row for row in rows() if not row["okta"].startswith("target")]


def restored(form, document):
    return from_ecs(document) if form == "ecs" else from_ocsf(document)


def at(value, path):
    """All values at a path, whatever their positions in arrays."""
    if isinstance(value, list):
        return [found for element in value for found in at(element, path)]
    if not path:
        return [] if value is None else [value]
    if not isinstance(value, dict):
        return []
    return at(value.get(path[0]), path[1:])


def put(event, path, value):
    *outer, last = path.split(".")
    for step in outer:
        event = event.setdefault(step, {})
        if isinstance(event, list):
            event = event[0]
    event.setdefault(last, value)


def mapped(form, document, event):
    for row in ROWS:
        for path in f"{row[form]} {row[f'{form}_also']}".split():
            found = at(document, path.split("."))
            if found and not path.startswith("unmapped."):
                put(event, row["okta"], found[0] if len(found) == 1 else ", ".join(map(str, found)))
                break
    return event


def from_ecs(document):
    okta = document.get("okta", {})
    debug_data = dict(okta.get("debug_context", {}).get("debug_data", {}).get("flattened", {}))
    for name in ["behaviors", "risk"]:
        # ECS has taken the text apart.
        if isinstance(debug_data.get(name), dict):
            pairs = (f"{key}={value}" for key, value in debug_data[name].items())
            debug_data[name] = f"{{{', '.join(pairs)}}}"
    targets = [{SNAKE.get(name, name): value for name, value in target.items()} for target in okta.get("target", [])]
    event = {"debugContext": {"debugData": debug_data}, "target": targets}
    event["actor"] = {SNAKE.get(name, name): value for name, value in okta.get("actor", {}).items()}
    return mapped("ecs", document, event)


def from_ocsf(document):
    event = dict(document.get("unmapped", {}))
    event["target"] = targets(document, event.get("target", []))
    actor_type = at(document, ["actor", "user", "type"])
    if actor_type:
        put(event, "actor.type", actor_type[0])
    for label in at(document, ["metadata", "labels"]):
        put(event, LABELS[label], True)
    return mapped("ocsf", document, event)


def targets(document, rest):
    """The targets, each put together from the object that stands for it and what was left over of it."""
    # Who signs on without a target is its own user.
    is_sign_on = document.get("class_uid") == AUTHENTICATION
    actor = at(document, ["actor", "user", "uid"]) if is_sign_on else []
    found = {}
    for place in ["user", "group", "entity", "service", "policy", "resource", "resources"]:
        for thing in at(document, [place]):
            if place == "user" and thing.get("uid") in actor:
                continue
            target = {"id": thing.get("uid"), "displayName": thing.get("full_name", thing.get("name"))}
            if place == "user":
                target["alternateId"] = thing.get("name")
            told = thing.get("type")
            target["type"] = OBJECTS.get(place) or TYPES.get(told, told)
            found[target["id"], target["type"]] = target
    for place, told in USERS.items():
        for thing in at(document, place.split(".")):
            found[thing.get("uid"), told] = {"id": thing.get("uid"), "displayName": thing.get("full_name"),
                                       "alternateId": thing.get("name"), "type": told}
    for number, target in enumerate(rest):
        same = [key for key, known in found.items() if known["id"] == target.get("id") and agrees(known, target)]
        found.setdefault(same[0] if same else number, {}).update(target)
    return list(found.values())


def agrees(known, target):
    """Whether what was left over of a target can be of this one."""
    return all(known.get(name) in (None, value) for name, value in target.items())
