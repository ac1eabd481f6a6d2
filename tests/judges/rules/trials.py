"""Events for a condition: some that fulfil it, and for each demand one that differs in it alone."""

import dataclasses

from conditions import alternatives, holds

NEVER = "something-else"


@dataclasses.dataclass
class Trial:
    changes: dict
    # Whether the rule has to match.
    expected: bool
    why: str


def trials(conditions, changes_of, ignored):
    """`changes_of(field, value)` are the changes of an event that let a field have a value. Demands on fields that begin with
    one of `ignored` cannot be broken: every event fulfils them."""
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
            return "jo.doe@corp.example"


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
                found = value not in (None, NEVER)
        return found != demand.negated
    return satisfied


def like(value, pattern):
    import fnmatch
    return fnmatch.fnmatchcase(value, pattern.replace("[", "[[]"))


def describe(demand):
    return f"{'not ' if demand.negated else ''}{demand.field} {demand.operator} {demand.value!r}"


def add(made, seen, trial):
    key = repr((sorted(trial.changes.items(), key=repr), trial.expected))
    if key not in seen:
        seen.add(key)
        made.append(trial)
