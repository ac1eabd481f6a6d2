"""A tree of conditions as a query for the search engine, for languages that it does not know itself."""

import re

from conditions import All, Any


def query(tree):
    match tree:
        case All(parts):
            return {"bool": {"filter": [query(part) for part in parts]}}
        case Any(parts):
            return {"bool": {"should": [query(part) for part in parts], "minimum_should_match": 1}}
    found = single(tree)
    return {"bool": {"must_not": [found]}} if tree.negated else found


def single(demand):
    match demand.operator:
        case "exists":
            return {"exists": {"field": demand.field}}
        case "is":
            return {"term": {demand.field: demand.value}}
        case "like":
            return {"wildcard": {demand.field: {"value": demand.value}}}
        case "matches":
            # Lucene has no classes of characters, and its expressions are always for the whole value.
            expression = re.sub(r"\\+s", " ", demand.value).replace('"', '\\"').replace("@", "\\@")
            return {"regexp": {demand.field: {"value": re.sub(r"\\+@", r"\\@", expression)}}}
