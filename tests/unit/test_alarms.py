"""Alarms and dashboards as files: whether Prometheus takes them, when they fire, and whether the documents agree."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.debian import require_program

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/rules.yml"
STORIES = RULES.with_name("rules.test.yml")
DASHBOARDS = sorted((ROOT / "deploy/grafana").glob("*.json"))
ALARMS = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
OPERATIONS = (ROOT / "docs/operations.md").read_text()


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = require_program("promtool", "prometheus")
    return subprocess.run([program, *arguments], cwd=RULES.parent, capture_output=True, text=True, check=False)


def test_prometheus_takes_the_rules():
    checked = promtool("check", "rules", RULES.name)
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout


def test_each_alarm_fires_when_it_must_and_only_then():
    tested = promtool("test", "rules", STORIES.name)
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm["alert"])
def test_an_alarm_is_tried_documented_and_leads_to_a_runbook(alarm):
    assert f'alertname="{alarm["alert"]}"' in STORIES.read_text(), "let it fire in a story of rules.test.yml"
    severity, notes = alarm["labels"]["severity"], alarm["annotations"]
    assert severity in {"critical", "warning"}
    assert re.fullmatch(r"\S.* .*[.]", notes["summary"]), "say it in a sentence"
    runbook = ROOT / notes["runbook"]
    assert runbook.is_file()
    assert runbook.parent == ROOT / "docs/runbooks"
    link = f"[{runbook.stem}](runbooks/{runbook.name})"
    rows = [row for row in OPERATIONS.splitlines() if f"`{alarm['alert']}`" in row]
    assert [row for row in rows if severity in row and link in row], "docs/operations.md, What to alarm on"


def test_no_document_tells_of_an_alarm_that_is_not_there():
    assert set(re.findall(r"\bPostpay[A-Z]\w+", OPERATIONS)) == {alarm["alert"] for alarm in ALARMS}


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_can_be_imported_and_its_panels_lie_beside_each_other(file):
    board = json.loads(file.read_text())
    assert board["uid"] == file.stem
    panels = board["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + column, place["y"] + line) for column in range(place["w"]) for line in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert all(column < 24 for column, _ in cells)
        taken |= cells
        for target in panel.get("targets", []):
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert target["refId"]
    variables = {variable["name"] for variable in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", file.read_text())) - {"__rate_interval"}
    assert used <= variables
