#!/usr/bin/env python3
"""Writes the licences of all crates that are linked into the binary to standard output: `licences.py FEATURES`.

A crate without a licence's text in its package is named with the licence that its manifest states. Crates that only build or test
are left out.
"""

import json
import pathlib
import re
import subprocess
import sys

TEXT = re.compile(r"(licen[cs]e|copying|notice|copyright|unlicense)", re.IGNORECASE)
# C sources that a crate brings along, with licences of their own.
BUNDLED = ["librdkafka", "zstd", "src/zlib", "openssl"]
# What a build script compiles and links.
LINKED_BY_BUILD = {"openssl-src"}


def host():
    version = subprocess.run(["rustc", "--version", "--verbose"], check=True, capture_output=True, text=True).stdout
    return re.search(r"^host: (.*)$", version, re.MULTILINE)[1]


def metadata(features):
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", host()]
    command += ["--no-default-features", "--features", features]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def linked(data):
    """The ids of the packages that the daemon is linked with, from its own dependencies on."""
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
    proc_macros = {
        package["id"] for package in data["packages"] if any("proc-macro" in target["kind"] for target in package["targets"])
    }
    by_build = {package["id"] for package in data["packages"] if package["name"] in LINKED_BY_BUILD}
    found, ahead = set(), [data["resolve"]["root"]]
    while ahead:
        package = ahead.pop()
        if package in found or package in proc_macros:
            continue
        found.add(package)
        for dependency in nodes[package]["deps"]:
            if dependency["pkg"] in by_build or any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                ahead.append(dependency["pkg"])
    return found


def texts(folder):
    places = [folder] + [folder / bundled for bundled in BUNDLED]
    files = [file for place in places if place.is_dir() for file in sorted(place.iterdir())]
    return [file for file in files if file.is_file() and TEXT.match(file.name) and file.suffix not in {".rs", ".h", ".c", ".py"}]


def main():
    data = metadata(sys.argv[1])
    wanted = linked(data)
    others = [package for package in data["packages"] if package["id"] in wanted and package["source"]]
    print("oktabus is linked with these crates. Each is followed by the licences in its package.\n")
    for package in others:
        print(f"  {package['name']} {package['version']}: {package['license'] or 'see its text'}")
    # Where a text was printed first: most crates have the same ones.
    printed = {}
    for package in sorted(others, key=lambda package: (package["name"], package["version"])):
        print(f"\n{'=' * 100}\n{package['name']} {package['version']} ({package['license'] or 'no expression'})")
        if package["repository"]:
            print(package["repository"])
        folder = pathlib.Path(package["manifest_path"]).parent
        found = texts(folder)
        if not found:
            print("\nThere is no text in its package: see the licence's name above.")
        for file in found:
            text, place = file.read_text(errors="replace").strip(), f"{file.relative_to(folder)} of {package['name']}"
            words = " ".join(text.split())
            if words in printed:
                print(f"\n--- {file.relative_to(folder)}: the same text as {printed[words]}")
                continue
            printed[words] = place
            print(f"\n--- {file.relative_to(folder)}\n\n{text}")


main()
