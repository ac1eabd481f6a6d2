"""What a rule demands of an event, as a tree of conditions, and the events that it follows from: sets of single demands of
which each satisfies the rule. Knows nothing of rules, of Okta or of any query language."""

import dataclasses
import itertools

# A rule with more alternatives is judged by the first ones.
ALTERNATIVES_MAX = 60


@dataclasses.dataclass(frozen=True)
class Demand:
    """The field has, or has not, a value of the kind. `value` is None where any value will do."""

    field: str
    operator: str  # is, like (with * in it), matches (a regular expression), exists
    value: object = None
    negated: bool = False

    def opposite(self):
        return dataclasses.replace(self, negated=not self.negated)


@dataclasses.dataclass(frozen=True)
class All:
    parts: tuple


@dataclasses.dataclass(frozen=True)
class Any:
    parts: tuple


def opposite(tree):
    match tree:
        case All(parts):
            return Any(tuple(map(opposite, parts)))
        case Any(parts):
            return All(tuple(map(opposite, parts)))
        case _:
            return tree.opposite()


def alternatives(tree):
    """Lists of demands of which each satisfies `tree`."""
    match tree:
        case All(parts):
            choices = itertools.product(*map(alternatives, parts))
            return [sum(choice, []) for choice in itertools.islice(choices, ALTERNATIVES_MAX)]
        case Any(parts):
            return list(itertools.chain.from_iterable(map(alternatives, parts)))[:ALTERNATIVES_MAX]
        case _:
            return [[tree]]


def holds(tree, satisfies):
    """Whether `tree` holds where `satisfies` says it of each demand."""
    match tree:
        case All(parts):
            return all(holds(part, satisfies) for part in parts)
        case Any(parts):
            return any(holds(part, satisfies) for part in parts)
        case _:
            return satisfies(tree)


def demands(tree):
    match tree:
        case All(parts) | Any(parts):
            return [demand for part in parts for demand in demands(part)]
        case _:
            return [tree]
