"""Writes what others read of the contract: JSON Schemas, and the tables of docs/messages.md.

`python -m contracts.export --write` writes; with `--check` it only tells whether everything is up to date.
"""

import sys

from contracts.document import DOCUMENT, filled
from contracts.generated import GeneratedFiles
from contracts.schemas import FOLDER, schema_files


def generated() -> GeneratedFiles:
    """Every generated file and its content; schemas that belong to no message any more are strays."""
    files = {**schema_files(), DOCUMENT: filled(DOCUMENT.read_text(encoding="utf-8"))}
    return GeneratedFiles("contracts.export", files, [path for path in FOLDER.rglob("*.json") if path not in files])


if __name__ == "__main__":
    sys.exit(generated().run(sys.argv[1:]))
