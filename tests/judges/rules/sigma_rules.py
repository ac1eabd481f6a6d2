"""Sigma's rules for Okta, as pySigma reads them: the conditions on an event, and the query for the search engine, through a
processing pipeline or for Okta's own names."""

import pathlib
import re

from sigma.backends.elasticsearch import LuceneBackend
from sigma.collection import SigmaCollection
from sigma.conditions import ConditionAND, ConditionFieldEqualsValueExpression, ConditionNOT, ConditionOR
from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline
from sigma.processing.transformations import FieldMappingTransformation, ValueListPlaceholderTransformation
from sigma.types import SigmaBool, SigmaNull, SigmaNumber, SigmaRegularExpression, SigmaString, SpecialChars

from conditions import All, Any, Demand, opposite
from okta_event import BASE

PLACEHOLDER = "placeholder.example"


def paths(value, path=""):
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, dict):
            for name, inner in part.items():
                yield from paths(inner, f"{path}.{name}" if path else name)
        else:
            yield path


# Rules that were written for collectors that fold case have Okta's names in small letters.
NAMES = {path.lower(): path for path in paths(BASE) if path.lower() != path}


def placeholders(path):
    """Gives a value to each name that a rule leaves to whoever uses it."""
    names = dict.fromkeys(re.findall(r"%(\w+)%", pathlib.Path(path).read_text()), [PLACEHOLDER])
    return ProcessingPipeline([ProcessingItem(ValueListPlaceholderTransformation())], vars=names)


def read(path):
    return SigmaCollection.load_ruleset([path]).rules


def query(rule_path, pipeline_path):
    """What the search engine is asked: the rule is read anew, since a pipeline changes it."""
    pipeline = placeholders(rule_path)
    if pipeline_path:
        pipeline += ProcessingPipeline.from_yaml(pathlib.Path(pipeline_path).read_text())
    else:
        pipeline += ProcessingPipeline([ProcessingItem(FieldMappingTransformation(NAMES))])
    [text] = LuceneBackend(processing_pipeline=pipeline).convert(SigmaCollection.load_ruleset([rule_path]))
    # Lucene takes a hyphen at the end of a set of characters for a range, and anchors for characters.
    text = re.sub(r"(?<=[/(|])\^", "", text.replace("-]", r"\-]"))
    return {"query_string": {"query": text, "analyze_wildcard": True}}


def conditions(rule, path):
    placeholders(path).apply(rule)
    trees = [of_condition(condition.parsed) for condition in rule.detection.parsed_condition]
    return trees[0] if len(trees) == 1 else Any(tuple(trees))


def of_condition(node):
    if isinstance(node, ConditionAND):
        return All(tuple(map(of_condition, node.args)))
    if isinstance(node, ConditionOR):
        return Any(tuple(map(of_condition, node.args)))
    if isinstance(node, ConditionNOT):
        return opposite(of_condition(node.args[0]))
    if isinstance(node, ConditionFieldEqualsValueExpression):
        return of_value(NAMES.get(node.field, node.field), node.value)
    raise NotImplementedError(type(node).__name__)


def of_value(field, value):
    match value:
        case SigmaString():
            text = "".join("*" if part == SpecialChars.WILDCARD_MULTI else str(part) for part in value.s)
            return Demand(field, "like" if value.contains_special() else "is", text)
        case SigmaRegularExpression():
            return Demand(field, "matches", str(value.regexp))
        case SigmaBool() | SigmaNumber():
            return Demand(field, "is", value.to_plain())
        case SigmaNull():
            return Demand(field, "exists", negated=True)
    raise NotImplementedError(type(value).__name__)
