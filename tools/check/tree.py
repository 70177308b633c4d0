"""The source tree as the checks see it."""

import argparse
import os
import re
from pathlib import Path

ROOMS = ["config", "messages", "tiers", "gpu", "actors", "tools", "examples",
         "tests"]

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)',
                     re.MULTILINE)


def parser(doc):
    """Options that every check has."""
    result = argparse.ArgumentParser(description=doc)
    result.add_argument("--root", type=Path, metavar="DIR",
                        default=Path(__file__).resolve().parents[2],
                        help="tree to check, by default the one of this script")
    return result


def rooms(root):
    """The rooms that exist in this tree."""
    return [x for x in ROOMS if (root / x).is_dir()]


def sources(root, *suffixes):
    """Files with one of these suffixes in all rooms, relative to the root."""
    for room in rooms(root):
        for folder, folders, names in os.walk(root / room):
            folders.sort()
            for name in sorted(names):
                if name.endswith(suffixes):
                    yield (Path(folder) / name).relative_to(root)


def includes(text):
    """Yields line number, own header or None, foreign header or None."""
    for hit in INCLUDE.finditer(text):
        # The match begins before the blanks; the name is on the line we want.
        line = text.count("\n", 0, hit.end()) + 1
        yield line, hit.group(1), hit.group(2)


def report(check, errors, done):
    """Prints the outcome and returns the exit code."""
    for error in errors:
        print(error)
    print(f"{check}: {len(errors)} errors" if errors else f"{check}: {done}")
    return 1 if errors else 0
