#!/usr/bin/env python3
"""Writes the processing pipelines beside this file from the map of fields, which is read from standard input:

    oktabus schema --what fields | python3 generate.py

With `--check` it writes nothing, and ends with 1 if a pipeline is not what the map makes of it. Needs nothing but Python.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
DEBUG = "debugContext.debugData."
# All paths that Okta may use for what no row knows keep their names under this.
OCSF_REST = "unmapped."
FLATTENED = "okta.debug_context.debug_data.flattened."
HEAD = """# {title}
# Made by generate.py from `oktabus schema --what fields`: do not edit.
name: {title}
priority: 20
transformations:
"""
# An event says in one field which log it is from.
ORIGINS = {"ocsf": ("metadata.product.name", "Okta System Log"), "ecs": ("event.dataset", "okta.system")}
TITLES = {"ocsf": "Okta's System Log in OCSF by oktabus", "ecs": "Okta's System Log in ECS by oktabus"}


def paths(rows, choose):
    """For each of Okta's paths all that `choose` takes of the paths that have its value, whatever the type of a target."""
    found = {}
    for row in rows:
        for path in choose(row):
            known = found.setdefault(row["okta"], [])
            if path not in known:
                known.append(path)
    return found


def ocsf(row):
    """All that are needed: which one it is depends on the class of the event. Of what stands nowhere as Okta wrote it, what is
    made from it."""
    return row["ocsf"]["same"] or row["ocsf"]["made"]


def ecs(row):
    """One of them: `okta` has the whole event, and the flattened debug data take no wildcards in Elasticsearch."""
    same = row["ecs"]["same"] + row["ecs"]["also"]
    if row["okta"] == "eventType":
        return ["event.action"]
    plain = [path for path in same if not path.startswith(FLATTENED)]
    okta = [path for path in plain if path.startswith("okta.")]
    return (okta or plain or same)[:1]


def mapping(found):
    lines = []
    for path, there in found.items():
        if len(there) == 1:
            lines.append(f"      {path}: {there[0]}")
        else:
            lines.append(f"      {path}:")
            lines += [f"        - {one}" for one in there]
    return "\n".join(lines)


CONDITIONS = """    rule_conditions:
      - type: logsource
        product: okta
        service: okta
"""


def pipeline(form, rows):
    found = paths(rows, {"ocsf": ocsf, "ecs": ecs}[form])
    field, value = ORIGINS[form]
    text = HEAD.format(title=TITLES[form])
    text += f"  - id: okta_{form}_fields\n    type: field_name_mapping\n    mapping:\n{mapping(found)}\n{CONDITIONS}"
    rest = {"ocsf": OCSF_REST + DEBUG, "ecs": FLATTENED}[form]
    text += f"  - id: okta_{form}_debug_data\n    type: field_name_prefix_mapping\n    mapping:\n      {DEBUG}: {rest}\n{CONDITIONS}"
    if form == "ocsf":
        text += f"  - id: okta_{form}_rest\n    type: field_name_prefix\n    prefix: {OCSF_REST}\n{CONDITIONS}"
        text += "    field_name_cond_op: or\n    field_name_cond_not: true\n    field_name_conditions:\n"
        for step in ["fields", "debug_data"]:
            text += f"      - type: processing_item_applied\n        processing_item_id: okta_{form}_{step}\n"
    text += f"  - id: okta_{form}_origin\n    type: add_condition\n    conditions:\n      {field}: {value}\n{CONDITIONS}"
    return text


def main():
    rows = json.load(sys.stdin)
    wrong = []
    for form in ORIGINS:
        path, text = HERE / f"okta-{form}.yml", pipeline(form, rows)
        if "--check" not in sys.argv[1:]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            wrong.append(path.name)
    if wrong:
        print(f"not what the map of fields makes of it: {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


sys.exit(main())
