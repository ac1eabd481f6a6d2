"""Panther's rules: Python functions that are called with an event, each with tests of its own. They read Okta's event, so
what oktabus rendered is first made one again (`restored.py`): a rule then has to say of it what it says of the original."""

import contextlib
import importlib.util
import json
import re
import sys
from unittest import mock

import yaml

from restored import restored


# Panther writes some names in small letters, in rules and in the events of its tests.
NAMES = {name.lower(): name for name in [
    "authenticationContext", "debugContext", "displayMessage", "eventType", "legacyEventType", "securityContext",
    "debugData", "logOnlySecurityData", "ipChain", "userAgent", "geographicalContext",
]}


class Event(dict):
    """An event as Panther gives it to a rule."""

    # Panther's own names for what every log has, each with how it is found in an event of Okta's.
    model = {}

    def get(self, key, default=None):
        value = super().get(NAMES.get(key, key))
        return default if value is None else Event(value) if isinstance(value, dict) else value

    def deep_get(self, *keys, default=None):
        at = self
        for key in keys:
            at = Event(at).get(key) if isinstance(at, dict) else None
        return default if at is None else at

    def deep_walk(self, *keys, default=None, return_val="all"):
        found = list(walk(self, keys))
        if not found:
            return default
        # One value in place of a list of one, as Panther has it.
        return {"all": found if len(found) > 1 else found[0], "first": found[0], "last": found[-1]}[return_val]

    def udm(self, name):
        return self.model[name](self)


def walk(value, keys):
    if isinstance(value, list):
        for element in value:
            yield from walk(element, keys)
    elif not keys:
        if value is not None:
            yield value
    elif isinstance(value, dict) and NAMES.get(keys[0], keys[0]) in value:
        yield from walk(value[NAMES.get(keys[0], keys[0])], keys[1:])


def with_oktas_names(value):
    if isinstance(value, dict):
        return {NAMES.get(name, name): with_oktas_names(inner) for name, inner in value.items()}
    return [with_oktas_names(element) for element in value] if isinstance(value, list) else value


def read(folder):
    """The rules for Okta's log: name, file and tests."""
    for path in sorted(folder.rglob("*.yml")):
        text = path.read_text()
        if re.search(r"(?m)^AnalysisType:\s*rule\s*$", text) and "Okta.SystemLog" in text:
            description = yaml.safe_load(text)
            yield path.stem, path.parent / description["Filename"], description.get("Tests", [])


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def says(module, test, log):
    """What the rule says of an event, with what the test has in place of the outside world."""
    mocks = {}
    for mocked in test.get("Mocks", []):
        value = mocked["returnValue"]
        if isinstance(value, str) and value.strip().startswith(("[", "{")):
            value = json.loads(value)
        mocks[mocked["objectName"]] = mock.Mock(return_value=value)
    here = {name: value for name, value in mocks.items() if hasattr(module, name)}
    with mock.patch.multiple(module, **here) if here else contextlib.nullcontext():
        return bool(module.rule(Event(log)))


def data_model(folder):
    """How the names of Panther's data model are found in an event of Okta's."""
    model = {}
    for path in folder.rglob("*.yml"):
        text = path.read_text()
        if re.search(r"(?m)^AnalysisType:\s*datamodel\s*$", text) and "Okta.SystemLog" in text:
            description = yaml.safe_load(text)
            module = load(path.parent / description["Filename"])
            for mapping in description["Mappings"]:
                steps = mapping.get("Path", "").removeprefix("$.").split(".")
                found = getattr(module, mapping["Method"]) if "Method" in mapping else None
                model[mapping["Name"]] = found or (lambda event, steps=steps: event.deep_get(*steps))
    return model


def judge(court, folder, unjudged):
    sys.path[:0] = sorted({str(path.parent) for path in folder.rglob("panther_*_helpers.py")})
    Event.model = data_model(folder)
    for name, path, tests in read(folder):
        try:
            module = load(path)
            logs = [with_oktas_names(json.loads(json.dumps(test["Log"], default=str))) for test in tests]
            wanted = [bool(test["ExpectedResult"]) for test in tests]
            said = [says(module, test, log) for test, log in zip(tests, logs)]
        except (ImportError, NotImplementedError, AttributeError, KeyError, TypeError, ValueError) as reason:
            unjudged[f"panther {name}"] = f"{type(reason).__name__}: {reason}"
            continue
        court.note("Panther", "okta", name, differences(tests, wanted, said))
        for form in ["ocsf", "ecs"]:
            again = [restored(form, document) for document in court.rendered(logs, form)]
            said_again = [tried(module, test, log) for test, log in zip(tests, again)]
            court.note("Panther", form, name, differences(tests, said, said_again))


def tried(module, test, log):
    try:
        return says(module, test, log)
    except Exception as reason:  # noqa: BLE001: a rule may do anything with an event that lacks something
        return f"{type(reason).__name__}: {reason}"


def differences(tests, wanted, said):
    return [f"{test['Name']}: {now}, not {then}" for test, then, now in zip(tests, wanted, said) if then != now]
