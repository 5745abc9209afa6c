import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import ENTRIES, app
from cli.failures import EXIT_MISUSE, Failure, explain
from workers.settings.model import SettingsError

REPOSITORY = Path(__file__).resolve().parents[3]


def test_every_command_has_its_section_in_the_documentation_in_the_same_order():
    documented = re.findall(r"^## (\S+)$", (REPOSITORY / "docs" / "commands.md").read_text(), flags=re.MULTILINE)
    assert documented == list(ENTRIES)


def test_help_lists_every_command_with_what_it_does():
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    for name in ENTRIES:
        assert re.search(rf"^│ {re.escape(name)} +\S", shown, flags=re.MULTILINE), name


@pytest.mark.parametrize("name", ENTRIES)
def test_completion_is_installed_for_postpay_and_not_for_a_command_of_it(name):
    assert "--install-completion" in CliRunner().invoke(app, ["--help"]).output
    shown = CliRunner().invoke(app, [name, "--help"]).output
    assert "--help" in shown
    assert "completion" not in shown


def test_the_version_is_shown():
    assert CliRunner().invoke(app, ["--version"]).output.strip().count(".") >= 2


def test_what_a_person_can_mend_is_one_line_and_a_defect_keeps_its_traceback():
    assert explain(SettingsError("POSTPAY_LANES: …")) == ("error: POSTPAY_LANES: …", EXIT_MISUSE)
    assert explain(Failure("no such account", 1)) == ("error: no such account", 1)
    assert explain(KeyError("x")) is None
