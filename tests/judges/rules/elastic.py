"""Elastic's rules: TOML files with KQL, EQL or ES|QL. Each is taken apart into the conditions that a single event has to
fulfil, as Kibana's own grammar and the package `eql` read them, and the fields that it counts or groups by."""

import dataclasses
import json
import pathlib
import re
import subprocess
import tomllib

import eql
from eql import ast, parser

from conditions import All, Any, Demand, opposite

HERE = pathlib.Path(__file__).resolve().parent
WILDCARD = "@kuery-wildcard@"


@dataclasses.dataclass
class Step:
    """What one event has to fulfil. `query` is what Elasticsearch would be asked, where the rule's language gives that."""

    conditions: object
    query: dict | None = None


@dataclasses.dataclass
class Rule:
    name: str
    language: str
    steps: list
    # What is counted or grouped by: an event without it counts for nothing.
    counted: list
    # Why it cannot be judged.
    unjudged: str = ""
    # The query as `eql` reads it, where it is about several events.
    sequence: object = None


def read(folder, node):
    """All rules of a folder."""
    documents = {path.stem: tomllib.loads(path.read_text()) for path in sorted(folder.rglob("*.toml"))}
    rules = {name: document["rule"] for name, document in documents.items() if "rule" in document}
    kuery = {name: rule for name, rule in rules.items() if rule.get("language") == "kuery"}
    found = [of_kuery(name, rule, understood) for (name, rule), understood in zip(kuery.items(), understand(kuery, node))]
    for name, rule in rules.items():
        match rule.get("language"):
            case "eql":
                found.append(of_eql(name, rule["query"]))
            case "esql":
                found.append(of_esql(name, rule["query"]))
            case None:
                found.append(Rule(name, rule["type"], [], [], "it has no query"))
    for name, document in documents.items():
        queries = document.get("hunt", {}).get("query", [])
        found += [of_esql(f"{name}#{number}", query) for number, query in enumerate(queries, 1)]
    return found


def understand(rules, node):
    """What Kibana's own package makes of the KQL of rules."""
    lines = "".join(json.dumps(" ".join(rule["query"].split())) + "\n" for rule in rules.values())
    run = subprocess.run([node, HERE / "kuery.mjs"], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def of_kuery(name, rule, understood):
    threshold = rule.get("threshold", {})
    counted = list(threshold.get("field", [])) + [part["field"] for part in threshold.get("cardinality", [])]
    counted += rule.get("new_terms", {}).get("value", [])
    return Rule(name, "KQL", [Step(of_tree(understood["tree"]), understood["query"])], counted)


def of_tree(node):
    """The conditions in a tree of Kibana's grammar."""
    arguments = node["arguments"]
    match node["function"]:
        case "and":
            return All(tuple(map(of_tree, arguments)))
        case "or":
            return Any(tuple(map(of_tree, arguments)))
        case "not":
            return opposite(of_tree(arguments[0]))
        case "is":
            field, value = arguments[0]["value"], arguments[1]["value"]
            if arguments[1]["type"] != "wildcard":
                return Demand(field, "is", value)
            if value == WILDCARD:
                return Demand(field, "exists")
            return Demand(field, "like", value.replace(WILDCARD, "*"))
    raise NotImplementedError(node["function"])


def of_eql(name, query):
    with parser.elasticsearch_syntax, parser.allow_runs, parser.allow_negation, parser.allow_sample:
        read = parser.parse_query(query)
    first = read.first
    if isinstance(first, ast.EventQuery):
        return Rule(name, "EQL", [Step(of_expression(first.query))], [])
    parts = list(first.queries) + ([first.close] if first.close else [])
    steps, counted = [], []
    for part in parts:
        counted += [field for field in map(str, part.join_values) if field not in counted]
        steps.append(Step(of_expression(part.query.query)))
    return Rule(name, "EQL", steps, counted, sequence=read)


def of_expression(node):
    """The conditions in an expression of EQL. What is compared with a missing value is never true."""
    match node:
        case ast.And(terms=terms):
            return All(tuple(map(of_expression, terms)))
        case ast.Or(terms=terms):
            return Any(tuple(map(of_expression, terms)))
        case ast.Not(term=term):
            return opposite(of_expression(term))
        case ast.IsNotNull(expr=expr):
            return Demand(str(expr), "exists")
        case ast.IsNull(expr=expr):
            return Demand(str(expr), "exists", negated=True)
        case ast.InSet(expression=expression, container=container):
            return Any(tuple(Demand(str(expression), "is", value.value) for value in container))
        case ast.Comparison(left=left, comparator="==", right=right):
            return Demand(str(left), "is", right.value)
        case ast.Comparison(left=left, comparator="!=", right=right):
            field = str(left)
            return All((Demand(field, "exists"), Demand(field, "is", right.value, True)))
        case ast.FunctionCall(name="wildcard", arguments=[field, *values]):
            return Any(tuple(Demand(str(field), "like" if "*" in value.value else "is", value.value) for value in values))
        case ast.FunctionCall(name="match", arguments=[field, *values]):
            return Any(tuple(Demand(str(field), "matches", value.value) for value in values))
    raise NotImplementedError(f"{type(node).__name__} {node}")


def of_esql(name, query):
    """Its conditions up to the first command that counts: EQL says the same but for a few words."""
    plain = re.sub(r"(?m)//.*$", "", query)
    commands = [command.strip() for command in re.split(r"\|\s*(?=[A-Za-z]+\b)", plain)]
    texts, made = [], {}
    counted = []
    for command in commands[1:]:
        word, _, rest = command.partition(" " if " " in command.split("\n")[0] else "\n")
        word = word.strip().lower()
        if word == "where":
            texts.append(rest)
        elif word in ("eval", "dissect", "grok"):
            made |= dict.fromkeys(re.findall(r"([\w.]+)\s*=(?!=)", rest))
            made |= dict.fromkeys(re.findall(r"%\{(\w+)\}", rest))
        elif word == "stats":
            counted = counted_fields(rest, made)
            break
    conditions, unjudged = [], []
    for text in texts:
        words = re.sub(r"(?i)\bis\s+not\s+null\b", "!= null", text)
        words = re.sub(r"(?i)\bis\s+null\b", "== null", words)
        words = re.sub(r"(?i)\b(and|or|not|in|like|rlike)\b", lambda word: word[0].lower(), words)
        words = re.sub(r'\brlike\s+("(?:[^"\\]|\\.)*")', r"regex \1", words)
        words = re.sub(r"@timestamp\s*[<>]=?\s*(?i:now)\(\)\s*-\s*\d+\s*\w+( and)?", " ", words).strip()
        if not words:
            continue
        with parser.elasticsearch_syntax:
            try:
                conditions.append(of_expression(parser.parse_query(f"any where {words}").first.query))
            except (eql.EqlError, NotImplementedError) as error:
                unjudged.append(f"{error} in {words}")
    return Rule(name, "ES|QL", [Step(All(tuple(conditions)))], counted, "; ".join(unjudged))


def counted_fields(text, made):
    """The fields of events that a STATS counts or groups by."""
    counts, *by = re.split(r"(?i)\sby\s", re.sub(r"\s+", " ", text), maxsplit=1)
    fields = re.findall(r"(?i)count_distinct\(([\w.]+)\)", counts)
    fields += [part.strip() for part in "".join(by).split(",")]
    return [field for field in dict.fromkeys(fields) if re.fullmatch(r"[a-z_]+(\.[\w]+)+", field) and field not in made]
