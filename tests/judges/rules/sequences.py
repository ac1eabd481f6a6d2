"""Whole sequences of EQL, evaluated by the package `eql`: events one after the other, of one user and one target."""

import eql
from eql import engine

SECOND = 10_000_000
NEVER_MATCHED, MATCHED_ANYWAY = "the whole sequence is not found", "a sequence is found although broken"


def judge(sequence, documents):
    """What is wrong, where `documents` are events that fulfil its steps one by one, as they are rendered."""
    negated = [part.data["is_negated"] for part in sequence.first.queries]
    whole = [document for document, is_negated in zip(documents, negated) if not is_negated]
    # What must not come comes, or the first is not there.
    broken = documents[: len(negated)] if any(negated) else whole[1:]
    if not found(sequence, whole):
        yield NEVER_MATCHED
    if found(sequence, broken):
        yield MATCHED_ANYWAY


def found(sequence, documents):
    matches = []
    evaluated = engine.PythonEngine({"print": False})
    evaluated.add_query(sequence)
    evaluated.add_output_hook(matches.append)
    # That something does not come is seen when something else does, of the same user and target.
    other = {**documents[0], "event": {}, "okta": {**documents[0].get("okta", {}), "event_type": "another"}} if documents else {}
    in_order = enumerate([*documents, other])
    events = [eql.Event("any", number * SECOND, single(document)) for number, document in in_order]
    evaluated.stream_events(events, finalize=True)
    return bool(matches)


def single(value):
    """A document with one value for each field: the package knows no lists."""
    if isinstance(value, list):
        return single(value[0]) if value else None
    if isinstance(value, dict):
        return {name: single(inner) for name, inner in value.items()}
    return value
