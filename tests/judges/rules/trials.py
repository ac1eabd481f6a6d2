"""Events for a condition: some that fulfil it, and for each demand one that differs in it alone."""

import dataclasses
import fnmatch
import re
import re._parser as re_parser

from conditions import alternatives, holds

NEVER = "something-else"


@dataclasses.dataclass
class Trial:
    changes: dict
    # Whether the rule has to match.
    expected: bool
    why: str


def trials(conditions, changes_of, ignored):
    """`changes_of(field, value)` are the changes of an event that let a field have a value. Demands on fields that begin
    with one of `ignored` cannot be broken: every event fulfils them."""
    made, seen = [], set()
    for demands in alternatives(conditions):
        wanted = [(demand.field, value_for(demand)) for demand in ordered(demands)]
        changes = changes_for(wanted, changes_of)
        if not holds(conditions, fulfils(dict(wanted))):
            continue
        add(made, seen, Trial(changes, True, ""))
        for broken in demands:
            if broken.field.startswith(ignored):
                continue
            other = [(field, value) for field, value in wanted if field != broken.field]
            other.append((broken.field, value_for(broken.opposite())))
            if not holds(conditions, fulfils(dict(other))):
                add(made, seen, Trial(changes_for(other, changes_of), False, describe(broken)))
    return made


def ordered(demands):
    """Demands that name a value after those that only rule one out, so that they win."""
    return sorted(demands, key=lambda demand: (not demand.negated, demand.operator != "exists"))


def value_for(demand):
    """A value that fulfils the demand."""
    if demand.operator == "exists":
        return None if demand.negated else "something"
    if demand.negated:
        return not demand.value if isinstance(demand.value, bool) else NEVER
    match demand.operator:
        case "is":
            return demand.value
        case "like":
            return demand.value.replace("*", "x")
        case "matches":
            return sample(re_parser.parse(demand.value))


def changes_for(wanted, changes_of):
    changes = {}
    for field, value in wanted:
        changes |= changes_of(field, value)
    return changes


def fulfils(values):
    """Says of a demand whether these values of fields fulfil it."""
    def satisfied(demand):
        value = values.get(demand.field)
        match demand.operator:
            case "exists":
                found = value is not None
            case "is":
                found = str(value).lower() == str(demand.value).lower()
            case "like":
                found = value is not None and like(str(value), demand.value)
            case "matches":
                found = value is not None and re.search(demand.value, str(value)) is not None
        return found != demand.negated
    return satisfied


def like(value, pattern):
    return fnmatch.fnmatchcase(value, pattern.replace("[", "[[]"))


def sample(parsed):
    """A text for a regular expression; of alternatives the last."""
    text = ""
    for name, argument in parsed:
        match str(name):
            case "LITERAL":
                text += chr(argument)
            case "NOT_LITERAL" | "ANY":
                text += "x"
            case "IN":
                text += member(argument)
            case "MAX_REPEAT" | "MIN_REPEAT":
                text += sample(argument[2]) * max(argument[0], 1)
            case "SUBPATTERN":
                text += sample(argument[3])
            case "BRANCH":
                text += sample(argument[1][-1])
    return text


def member(choices):
    """A character of a set."""
    excluded = str(choices[0][0]) == "NEGATE"
    for name, argument in choices:
        if excluded:
            return "x"
        if str(name) in ("LITERAL", "RANGE"):
            return chr(argument if str(name) == "LITERAL" else argument[0])
    return "x"


def describe(demand):
    return f"{'not ' if demand.negated else ''}{demand.field} {demand.operator} {demand.value!r}"


def add(made, seen, trial):
    key = repr((sorted(trial.changes.items(), key=repr), trial.expected))
    if key not in seen:
        seen.add(key)
        made.append(trial)
