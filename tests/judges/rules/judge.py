"""Judges whether rules of other people find the events that they are for, after oktabus has rendered them.

Takes a folder with rules of Elastic (TOML: KQL, EQL, ES|QL), Sigma (YAML) and Panther (YAML and Python), and makes for each
events of Okta that fulfil it and others that differ in one condition. A rule passes in a format if it finds all of the
first and none of the second in what oktabus made of them. Prints a JSON object with the numbers of each source and format,
and what is wrong; ends with 1 if anything is.

    python3 judge.py FOLDER --render 'oktabus render --org acme.okta.com --format {format}'
"""

import argparse
import collections
import json
import pathlib
import shlex
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
TOOLS = ROOT / ".tools"
sys.path.insert(0, str(TOOLS / "judges-rules-python/python"))

import elastic  # noqa: E402
import engine  # noqa: E402
import okta_event  # noqa: E402
import panther  # noqa: E402
import sequences  # noqa: E402
import sigma_rules  # noqa: E402
from queries import query  # noqa: E402
from trials import trials  # noqa: E402

PIPELINES = ROOT / "deploy/sigma"
SHOWN_MAX = 5


class Court:
    """All events that have been asked for, rendered and searched, and what came of it."""

    def __init__(self, render, searched):
        self.render, self.searched = render, searched
        self.indexes = 0
        self.verdicts = collections.defaultdict(dict)

    def rendered(self, events, form):
        if form == "okta" or not events:
            return events
        command = [word.replace("{format}", form) for word in self.render]
        text = "".join(json.dumps(event) + "\n" for event in events)
        run = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        lines = [json.loads(line) for line in run.stdout.splitlines()]
        if len(lines) != len(events):
            raise RuntimeError(f"{len(events)} events became {len(lines)}: {run.stderr[:1000]}")
        return lines

    def index(self, form, asked):
        """`asked` are lists of trials by rule; the name of an index with all their events, and what was refused."""
        events = {f"{rule}/{number}": okta_event.event(trial.changes)
                  for rule, found in asked.items() for number, trial in enumerate(found)}
        documents = dict(zip(events, self.rendered(list(events.values()), form)))
        self.indexes += 1
        name = f"{form}-{self.indexes}"
        return name, documents, self.searched.index(name, documents)

    def judge(self, index, rule, found, asked):
        """What is wrong with what `asked` finds of the trials of `rule`."""
        keys = [f"{rule}/{number}" for number in range(len(found))]
        hits = self.searched.find(index, asked, keys)
        for key, trial in zip(keys, found):
            if trial.expected and key not in hits:
                yield f"does not find {trial.changes}"
            if not trial.expected and key in hits:
                yield f"finds although broken is: {trial.why}"

    def note(self, source, form, rule, wrong):
        self.verdicts[source, form][rule] = list(wrong)


def paths(value, path=""):
    """The paths at which a document has values."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from paths(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, path)
    else:
        yield path


def judge_elastic(court, folder, node, unjudged):
    asked, judged = {}, []
    for rule in elastic.read(folder, node):
        try:
            if rule.unjudged:
                raise LookupError(rule.unjudged)
            made = {f"{rule.name}/{number}": trials(step.conditions, okta_event.elastic_changes, okta_event.CONSTANT)
                    for number, step in enumerate(rule.steps)}
        except LookupError as reason:
            unjudged[f"elastic {rule.name}"] = str(reason)
            continue
        asked |= made
        judged.append(rule)
    index, documents, refused = court.index("ecs", asked)
    for rule in judged:
        wrong = []
        for number, step in enumerate(rule.steps):
            name = f"{rule.name}/{number}"
            wrong += court.judge(index, name, asked[name], step.query or query(step.conditions))
            there = set(paths(documents.get(f"{name}/0", {})))
            wrong += [f"counts by {field}, which is not there" for field in rule.counted if field not in there]
        if rule.sequence:
            wrong += sequences.judge(rule.sequence, [documents[f"{rule.name}/{number}/0"] for number in range(len(rule.steps))])
        wrong += [f"{key}: {reason}" for key, reason in refused.items() if key.startswith(f"{rule.name}/")]
        court.note(f"Elastic {rule.language}", "ecs", rule.name, dict.fromkeys(wrong))


def judge_sigma(court, folder):
    asked, files = {}, {}
    for path in sorted(folder.rglob("*.yml")):
        text = path.read_text()
        if "\nlogsource:" not in text or "okta" not in text:
            continue
        for rule in sigma_rules.read(path):
            files[path.stem] = path
            asked[path.stem] = trials(sigma_rules.conditions(rule, path), lambda field, value: {field: value}, ("\0",))
    if not asked:
        return
    for form in ["okta", "ocsf", "ecs"]:
        index, _, refused = court.index(form, asked)
        pipeline = None if form == "okta" else PIPELINES / f"okta-{form}.yml"
        for name, path in files.items():
            wrong = list(court.judge(index, name, asked[name], sigma_rules.query(path, pipeline)))
            wrong += [f"{key}: {reason}" for key, reason in refused.items() if key.startswith(f"{name}/")]
            court.note("Sigma", form, name, wrong)


def report(court, unjudged):
    sources = []
    for (source, form), rules in sorted(court.verdicts.items()):
        wrong = {rule: problems[:SHOWN_MAX] for rule, problems in rules.items() if problems}
        matching = len(rules) - len(wrong)
        sources.append({"source": source, "format": form, "rules": len(rules), "match": matching, "wrong": wrong})
    return {"sources": sources, "unjudged": unjudged}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--render", required=True)
    arguments.add_argument("--node", default="node")
    arguments = arguments.parse_args()
    unjudged = {}
    with engine.running(TOOLS / "opensearch/libs") as searched:
        court = Court(shlex.split(arguments.render), searched)
        judge_elastic(court, arguments.folder, arguments.node, unjudged)
        judge_sigma(court, arguments.folder)
        panther.judge(court, arguments.folder, unjudged)
    said = report(court, unjudged)
    json.dump(said, sys.stdout, indent=1)
    return 1 if any(source["wrong"] for source in said["sources"]) else 0


if __name__ == "__main__":
    sys.exit(main())
