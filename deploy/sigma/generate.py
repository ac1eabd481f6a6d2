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
INTEGRATION = "okta.debug_context.debug_data."
TITLES = {"ocsf": "Okta's System Log in OCSF by oktabus", "ecs": "Okta's System Log in ECS by oktabus"}
# An event says in one field which log it is from.
ORIGINS = {"ocsf": ("metadata.product.name", "Okta System Log"), "ecs": ("event.dataset", "okta.system")}
# Where fields are that no row knows, by the beginning of their path, longer ones first: all members of what ECS has flattened.
RESTS = {
    "ocsf": {DEBUG: f"unmapped.{DEBUG}"},
    "ecs": {
        DEBUG: f"{INTEGRATION}flattened.",
        "actor.detailEntry.": "okta.actor.detailEntry.",
        "target.detailEntry.": "okta.target.detailEntry.",
        "target.changeDetails.": "okta.target.changeDetails.",
        "securityContext.ipDetails.": "okta.security_context.ip_details.",
        "securityContext.userBehaviors.": "okta.security_context.user_behaviors.",
        "securityContext.botProtection.": "okta.security_context.bot_protection.",
        "request.ipChain.geographicalContext.": "okta.request.ip_chain.geographical_context.",
        "request.ipChain.ipDetails.": "okta.request.ip_chain.ip_details.",
        "request.ipChain.": "okta.request.ip_chain.",
    },
}
# Where all else is that an event of Okta's may have, and what Okta's events begin with: a rule that asks for anything else
# asks for nothing, and is refused.
OTHERS = {"ocsf": "unmapped.", "ecs": "okta.unmapped."}
ROOTS = ["uuid", "published", "eventType", "version", "severity", "legacyEventType", "displayMessage", "actor", "client"]
ROOTS += ["device", "authenticationContext", "outcome", "transaction", "request", "securityContext", "debugContext", "target"]
# A target that OCSF calls in its own words keeps Okta's word nowhere else.
WORDS = {"target.type": ["user.type", "entity.type", "entity.user.type", "evidences.user.type"]}
# The label of a flag that is raised is the flag's own name.
LABELS = "metadata.labels"
# Texts of the debug data that ECS has taken apart: the field with the part that rules ask for, and what becomes of a value
# that asks for it, as regular expressions with their replacements. `*` is any value.
ONE_FIRED, ANY_FIRED = (r"^\*?([^=*{}]+)=POSITIVE\}?\*?$", r"\1"), (r"^\*?=?POSITIVE\*?$", "*")
TAKEN_APART = {
    f"{DEBUG}behaviors": (f"{INTEGRATION}risk_behaviors", [ONE_FIRED, ANY_FIRED]),
    f"{DEBUG}logOnlySecurityData": (f"{INTEGRATION}risk_behaviors", [ANY_FIRED]),
    f"{DEBUG}risk": (f"{INTEGRATION}risk_level", [(r"^\*?\{?level=([A-Za-z]+)[^*]*\*?$", r"\1")]),
}
UNKNOWN = "an event of Okta's has no such field"
OF_OKTA = "    rule_conditions:\n      - type: logsource\n        product: okta\n        service: okta\n"


def ocsf(row):
    """All that are needed: which one it is depends on the class of the event. Of a value that OCSF has in its own words only
    the words, without their numbers."""
    made = [path for path in row["ocsf"]["made"] if not path.endswith("_id")]
    if LABELS in made:
        return made
    if row["okta"].endswith(".type"):
        # Whether it is a person changes names and addresses too, which are no types.
        made = WORDS.get(row["okta"]) or [path for path in made if path.endswith(".type") and "actor" in path]
        return row["ocsf"]["same"] + made
    return row["ocsf"]["same"] or [path for path in made if path.split(".")[0] != "severity"]


def ecs(row):
    """One of them: `okta` has the whole event, and Elasticsearch takes no wildcards for flattened fields."""
    if row["okta"] in TAKEN_APART:
        return [TAKEN_APART[row["okta"]][0]]
    if row["okta"] == "eventType":
        return ["event.action"]
    there = row["ecs"]["same"] + row["ecs"]["also"]
    plain = [path for path in there if ".flattened." not in path]
    return ([path for path in plain if path.startswith("okta.")] or plain or there)[:1]


def mapping(rows, choose):
    """For each of Okta's paths where it is, whatever the type of a target."""
    found = {}
    for row in rows:
        known = found.setdefault(row["okta"], [])
        known += [path for path in choose(row) if path not in known]
    lines = []
    for okta, there in found.items():
        if len(there) == 1:
            lines.append(f"      {okta}: {there[0]}\n")
        elif there:
            lines += [f"      {okta}:\n", *(f"        - {path}\n" for path in there)]
    return "".join(lines)


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def of_field(okta):
    return f"    field_name_conditions:\n      - type: include_fields\n        fields:\n          - {okta}\n"


def flags(rows):
    """`true`, as a word and as a value, becomes the label."""
    for row in rows:
        if LABELS in row["ocsf"]["made"]:
            label = row["okta"].split(".")[-1]
            yield f"  - type: map_string\n    mapping:\n      'true': {label}\n{OF_OKTA}{of_field(row['okta'])}"
            value = "    detection_item_conditions:\n      - type: match_value\n        cond: any\n        value: true\n"
            yield f"  - type: set_value\n    value: {label}\n{OF_OKTA}{value}{of_field(row['okta'])}"


def parts():
    for okta, (_, replacements) in TAKEN_APART.items():
        for expression, replacement in replacements:
            change = f"    regex: {quoted(expression)}\n    replacement: {quoted(replacement)}\n"
            yield f"  - type: replace_string\n{change}{OF_OKTA}{of_field(okta)}"


def spelled(rows):
    """Names in small letters alone, as collectors write them that fold case, and rules that were written for those."""
    names = sorted({row["okta"] for row in rows})
    small = {name.lower(): name for name in names if name.lower() != name}
    lines = "".join(f"      {written}: {name}\n" for written, name in small.items() if written not in names)
    return f"  - type: field_name_mapping\n    mapping:\n{lines}{OF_OKTA}"


def refused():
    """What no event of Okta's has."""
    expression = quoted(rf"^(?!({'|'.join(ROOTS)})(\.|$))")
    text = f"  - type: detection_item_failure\n    message: {UNKNOWN}\n{OF_OKTA}    field_name_conditions:\n"
    return text + f"      - type: include_fields\n        mode: re\n        fields:\n          - {expression}\n"


def unless_applied(steps):
    """For fields that none of these steps has named anew."""
    text = "    field_name_cond_op: or\n    field_name_cond_not: true\n    field_name_conditions:\n"
    for step in steps:
        text += f"      - type: processing_item_applied\n        processing_item_id: {step}\n"
    return text


def pipeline(form, rows):
    fields = mapping(rows, {"ocsf": ocsf, "ecs": ecs}[form])
    values = {"ocsf": flags(rows), "ecs": parts()}[form]
    field, value = ORIGINS[form]
    text = f"# Made by generate.py from `oktabus schema --what fields`: do not edit.\nname: {TITLES[form]}\npriority: 20\n"
    text += "transformations:\n" + spelled(rows) + refused() + "".join(values)
    text += f"  - id: okta_{form}_fields\n    type: field_name_mapping\n    mapping:\n{fields}{OF_OKTA}"
    text += f"  - id: okta_{form}_members\n    type: field_name_prefix_mapping\n    mapping:\n"
    text += "".join(f"      {beginning}: {there}\n" for beginning, there in RESTS[form].items()) + OF_OKTA
    steps = [f"okta_{form}_fields", f"okta_{form}_members"]
    text += f"  - id: okta_{form}_rest\n    type: field_name_prefix\n    prefix: {OTHERS[form]}\n{OF_OKTA}{unless_applied(steps)}"
    return text + f"  - id: okta_{form}_origin\n    type: add_condition\n    conditions:\n      {field}: {value}\n{OF_OKTA}"


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
