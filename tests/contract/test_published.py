"""What other teams read: schemas and docs/messages.md."""

import json
import re
import subprocess
import sys

import jsonschema
import pytest

from contracts import export, schemas
from contracts.catalogue import MESSAGES, UNBUILT_TYPES
from contracts.document import DOCUMENT, filled
from contracts.reasons import MEANINGS
from contracts.schemas import input_schemas, output_schemas
from contracts.topics import Topic
from settlement.dead_letter import DeadLetterReason
from tests.contract.builders import accepted

DOCS = DOCUMENT.read_text(encoding="utf-8")
EXAMPLES = [json.loads(line) for line in re.search(r"```jsonl\n(.*?)```", DOCS, re.DOTALL)[1].splitlines()]


def test_schemas_and_tables_are_what_the_models_say():
    assert export.generated().out_of_date() == []


def test_the_check_names_files_that_are_missing_stale_or_stray_and_writing_mends_them(tmp_path, monkeypatch):
    document = tmp_path / "messages.md"
    document.write_text(DOCS.replace("| `empty` |", "| `void` |"), encoding="utf-8")
    folder = tmp_path / "schemas"
    for module in (export, schemas):
        monkeypatch.setattr(module, "FOLDER", folder)
    monkeypatch.setattr(export, "DOCUMENT", document)
    files = set(schemas.schema_files())
    assert set(export.generated().out_of_date()) == {*files, document}
    export.generated().write()
    assert document.read_text(encoding="utf-8") == DOCS
    assert export.generated().out_of_date() == []
    stray = folder / "in" / "stray.json"
    stray.write_text("{}", encoding="utf-8")
    assert export.generated().out_of_date() == [stray]
    export.generated().write()
    assert not stray.exists()


def test_the_command_checks_and_refuses_other_arguments():
    command = [sys.executable, "-W", "error", "-m", "contracts.export"]
    assert subprocess.run([*command, "--check"], check=False).returncode == 0
    misused = subprocess.run([*command, "--chekc"], check=False, capture_output=True, text=True)
    assert misused.returncode == 2
    assert "usage" in misused.stderr


def test_a_document_without_its_markers_is_refused():
    with pytest.raises(ValueError, match="has no line"):
        filled("# Messages\n")


@pytest.mark.parametrize(
    "schema", [*input_schemas().values(), *output_schemas().values()], ids=lambda each: each["$id"]
)
def test_a_schema_is_a_schema(schema):
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each["value"]["type"])
def test_an_input_example_of_the_docs_is_accepted(example):
    assert set(example) == {"topic", "key", "value"}  # what `postpay produce` asks for
    accepted(example["value"], example["topic"], key=example["key"])


def test_the_docs_have_an_example_of_every_input_a_team_may_send():
    types = {message.message_type() for messages in MESSAGES.values() for message in messages}
    assert {example["value"]["type"] for example in EXAMPLES} == types - {
        "terms.published",
        "merchant_activity.recorded",
    }


@pytest.mark.parametrize("text", re.findall(r"```json\n(.*?)```", DOCS, re.DOTALL))
def test_an_output_example_of_the_docs_fits_its_schema(text):
    example = json.loads(text)
    jsonschema.validate(example, output_schemas()[example["type"]], jsonschema.Draft202012Validator)


def test_the_docs_name_every_topic():
    for topic in Topic:
        assert f"| `{topic}` |" in DOCS


def test_every_reason_has_a_meaning_in_the_order_of_the_codes():
    assert list(MEANINGS) == list(DeadLetterReason)


def test_nothing_is_both_built_and_not_built_yet():
    built = {message.message_type() for messages in MESSAGES.values() for message in messages}
    assert not built & {kind for kinds in UNBUILT_TYPES.values() for kind in kinds}
