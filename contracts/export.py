"""Writes what others read of the contract: JSON Schemas, and the tables of docs/messages.md.

`python -m contracts.export` writes; with `--check` it only tells whether everything is up to date.
"""

import sys
from pathlib import Path

from contracts.document import DOCUMENT, filled
from contracts.schemas import FOLDER, schema_files


def wanted() -> dict[Path, str]:
    """Every generated file and its content."""
    return {**schema_files(), DOCUMENT: filled(DOCUMENT.read_text(encoding="utf-8"))}


def out_of_date() -> list[Path]:
    """Files that are missing, differ, or belong to no message any more."""
    files = wanted()
    differing = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    return differing + [path for path in FOLDER.rglob("*.json") if path not in files]


def write() -> None:
    """Bring all of them up to date."""
    files = wanted()
    for path in FOLDER.rglob("*.json"):
        if path not in files:
            path.unlink()
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Write or check; returns the exit code."""
    match arguments:
        case []:
            write()
            return 0
        case ["--check"]:
            stale = out_of_date()
            for path in stale:
                sys.stderr.write(f"{path} is not what the models say: run python -m contracts.export\n")
            return 1 if stale else 0
        case _:
            sys.stderr.write("usage: python -m contracts.export [--check]\n")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
