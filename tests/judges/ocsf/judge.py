"""Judges OCSF events on standard input, one JSON object a line, by the schema that PyPI's ocsf-json-schema carries.

Prints one JSON object: how many events there were, how many of each class and activity, and what is wrong with those
that are invalid. Ends with 1 if any is. Beyond the JSON Schema of the event's class and profiles it looks at what that
schema cannot say: the arithmetic of numbers, captions beside them, milliseconds, empty values.

    python3 judge.py < events.jsonl
"""

import collections
import functools
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(sys.argv[0]).resolve().parents[3] / ".tools/judges-ocsf-python/python"))

from jsonschema import Draft202012Validator  # noqa: E402
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema  # noqa: E402

SHOWN_MAX = 20
OTHER = 99


@functools.cache
def schema(version):
    return get_ocsf_schema(version=version)


@functools.cache
def class_names(version):
    return {definition["uid"]: name for name, definition in schema(version)["classes"].items()}


@functools.cache
def validator(version, name, profiles):
    embedded = OcsfJsonSchemaEmbedded(schema(version))
    return Draft202012Validator(embedded.get_class_schema(class_name=name, profiles=list(profiles)))


def problems_by_schema(event, version, name, profiles):
    for error in validator(version, name, profiles).iter_errors(event):
        yield f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"


def problems_of_numbers(event, version, name):
    definition = schema(version)["classes"][name]
    if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
        yield "type_uid is not class_uid * 100 + activity_id"
    if event["category_uid"] != event["class_uid"] // 1000:
        yield "category_uid does not belong to class_uid"
    if event.get("class_name") != definition["caption"]:
        yield f"class_name is {event.get('class_name')!r}"
    activity = definition["attributes"]["activity_id"]["enum"][str(event["activity_id"])]["caption"]
    if event.get("type_name") != f"{definition['caption']}: {activity}":
        yield f"type_name is {event.get('type_name')!r}"
    if event["time"] != 0 and event["time"] < 10**11:
        yield f"time {event['time']} is not in milliseconds"
    yield from problems_of_captions(event, definition, version, "")


def problems_of_captions(value, definition, version, path):
    """What stands beside a number must be its caption, and the source's own words beside 99."""
    for key, attribute in definition["attributes"].items():
        if key not in value:
            continue
        enum, sibling = attribute.get("enum"), attribute.get("sibling")
        if enum and sibling and sibling in value and value[key] != OTHER:
            caption = enum.get(str(value[key]), {}).get("caption")
            if value[sibling] != caption:
                yield f"{path}{sibling} is {value[sibling]!r} but {key} {value[key]} means {caption!r}"
        inner = schema(version)["objects"].get(attribute.get("object_type"))
        if inner and key != "unmapped":
            for element in value[key] if isinstance(value[key], list) else [value[key]]:
                yield from problems_of_captions(element, inner, version, f"{path}{key}.")


def values_at(value, steps):
    """All values at a path; `[]` stands for each element of an array."""
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if step == "[]":
        for inner in value if isinstance(value, list) else []:
            yield from values_at(inner, rest)
    elif step.isdigit():
        yield from values_at(value[int(step)], rest)
    elif isinstance(value, dict) and step in value:
        yield from values_at(value[step], rest)


def problems_of_observables(event):
    """An observable must be found where it says it is."""
    for observable in event.get("observables", []):
        steps = observable["name"].replace("[0]", ".0").replace("[]", ".[]").split(".")
        found = list(values_at(event, steps))
        if observable["value"] not in found:
            yield f"observable {observable['name']} is {found!r}, not {observable['value']!r}"


def empty_values(value, path):
    if path.startswith("/unmapped") or "/data" in path:
        return
    if value is None or value == {} or value == [] or value == "":
        yield f"{path} is empty"
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from empty_values(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from empty_values(inner, path)


def judge(event):
    metadata = event["metadata"]
    version, profiles = metadata["version"], tuple(metadata.get("profiles", ()))
    name = class_names(version)[event["class_uid"]]
    problems = list(problems_by_schema(event, version, name, profiles))
    if not problems:
        problems += problems_of_numbers(event, version, name)
        problems += problems_of_observables(event)
        problems += empty_values(event, "")
        if list(profiles) != sorted(profiles):
            problems.append("profiles are not in order")
    return problems


def main():
    events, invalid, shown = 0, 0, []
    classes = collections.Counter()
    for line in sys.stdin:
        events += 1
        event = json.loads(line)
        try:
            problems = judge(event)
            classes[f"{event['class_uid']}/{event['activity_id']}"] += 1
        except (AttributeError, KeyError, IndexError, TypeError) as error:
            problems = [f"not an OCSF event: {error!r}"]
        if problems:
            invalid += 1
            if len(shown) < SHOWN_MAX:
                code = event.get("metadata", {}).get("event_code")
                shown.append({"line": events, "event_code": code, "problems": problems[:5]})
    json.dump({"events": events, "invalid": invalid, "classes": classes, "shown": shown}, sys.stdout)
    return 1 if invalid else 0


sys.exit(main())
