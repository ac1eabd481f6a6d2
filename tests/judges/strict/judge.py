"""Judges JSON lines on standard input by the strictest reading of JSON (RFC 7493, I-JSON): no name twice in an object at any
level, no half of a surrogate pair, no number beyond a double.

Prints one JSON object: how many lines there were and what is wrong with those that are invalid. Ends with 1 if any is.

    python3 judge.py < lines.jsonl
"""

import json
import math
import sys

SHOWN_MAX = 20

sys.setrecursionlimit(10_000)


def unique(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} occurs twice in one object")
    for name in names:
        whole(name)
    return dict(pairs)


def whole(text):
    # Halves of surrogate pairs cannot be written in UTF-8.
    text.encode("utf-8")


def double(text):
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:20]} is beyond a double")
    return number


def integer(text):
    double(text)
    return 0


def constant(text):
    raise ValueError(f"{text} is no JSON")


def texts(value):
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            whole(value)
        elif isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)


def main():
    lines, invalid, shown = 0, 0, []
    for line in sys.stdin.buffer.read().decode("utf-8").split("\n"):
        if not line:
            continue
        lines += 1
        try:
            value = json.loads(
                line, object_pairs_hook=unique, parse_float=double, parse_int=integer, parse_constant=constant
            )
            texts(value)
        except (ValueError, RecursionError) as error:
            invalid += 1
            if len(shown) < SHOWN_MAX:
                shown.append({"error": str(error), "line": line[:2_000]})
    json.dump({"events": lines, "invalid": invalid, "shown": shown}, sys.stdout)
    return 1 if invalid else 0


if __name__ == "__main__":
    sys.exit(main())
