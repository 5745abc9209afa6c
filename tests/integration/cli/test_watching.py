"""What is named in alarms, dashboards and docs, against a real worker and a real Prometheus that scrapes it."""

import asyncio
import json
import re
import signal
from pathlib import Path

import aiohttp
import pytest
import yaml

from devstack import ports
from devstack.process import start_detached
from tests.debian import require_program
from tests.platform import eventually

ROOT = Path(__file__).parents[3]
RULES = ROOT / "deploy/prometheus/rules.yml"
OPERATIONS = ROOT / "docs/operations.md"
BOARDS = sorted((ROOT / "deploy/grafana").glob("*.json"))
NAMING = [RULES, *BOARDS, OPERATIONS, *sorted((ROOT / "docs/runbooks").glob("*.md"))]
LABELS = {"postpay_ops", "postpay_owner", "postpay_worker", "postpay_auditor"}
"""Names that are no metrics: roles of the database."""

CONFIGURATION = """
global: {scrape_interval: 500ms, evaluation_interval: 500ms}
rule_files: [RULES]
scrape_configs: [{job_name: postpay, static_configs: [{targets: ["TARGET"]}]}]
"""


def expressions():
    """Every expression of the alarms and dashboards, as Grafana would ask it for all groups."""
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for file in BOARDS:
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", []):
                asked = target["expr"].replace("$group", ".*").replace("$__rate_interval", "5s")
                yield f"{file.stem}: {panel['title']}", asked


async def test_every_metric_that_is_named_is_told_and_every_one_that_is_told_is_documented(shop):
    async with aiohttp.ClientSession(shop.worker.url) as session, session.get("/metrics") as answer:
        told = set(re.findall(r"^# TYPE (\w+) ", await answer.text(), re.MULTILINE))
    named = {file: set(re.findall(r"\b(postpay_[a-z_]+)\b", file.read_text())) - LABELS for file in NAMING}
    assert {
        file.name: unknown
        for file, names in named.items()
        if (unknown := {name for name in names if re.sub("_(bucket|count|sum)$", "", name) not in told})
    } == {}
    assert {name for name in told if name.startswith("postpay_")} <= named[OPERATIONS]


@pytest.fixture(scope="module")
async def prometheus(shop, tmp_path_factory):
    """Asks a Prometheus that has scraped the shop's worker a few times, and evaluated the alarms."""
    program = require_program("prometheus", "prometheus")
    folder, url = tmp_path_factory.mktemp("prometheus"), f"http://127.0.0.1:{ports.choose()}"
    address = url.removeprefix("http://")
    settings = CONFIGURATION.replace("RULES", str(RULES)).replace("TARGET", shop.worker.url.removeprefix("http://"))
    (folder / "prometheus.yml").write_text(settings)
    command = [program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    started = start_detached([*command, f"--web.listen-address={address}"], folder / "log")
    try:
        async with aiohttp.ClientSession(url) as session:

            async def ask(expression):
                async with session.get("/api/v1/query", params={"query": expression}) as response:
                    return await response.json()

            async def ready():
                try:
                    counted = await ask(
                        "count_over_time(postpay_ready[1m]) >= 4 and on () count(postpay_overdue_accounts) == 2"
                    )
                except (aiohttp.ClientError, ValueError):
                    return False
                return counted.get("data", {}).get("result")

            await eventually(ready, state=(folder / "log").read_text)
            yield ask
    finally:
        started.stop(signal.SIGTERM, 10)


async def test_prometheus_answers_every_expression_of_alarms_and_dashboards(prometheus):
    asked = list(expressions())
    answers = await asyncio.gather(*(prometheus(expression) for _, expression in asked))
    assert [
        (what, answer["error"]) for (what, _), answer in zip(asked, answers, strict=True) if "error" in answer
    ] == []
    silent = [
        (what, expression)
        for (what, expression), answer in zip(asked, answers, strict=True)
        if not what.startswith("Postpay") and not answer["data"]["result"]
    ]
    assert silent == [], "a panel that draws nothing"


async def test_prometheus_fires_for_the_dead_letter_of_a_worker_that_it_saw_only_afterwards(prometheus):
    async def fired():
        return (await prometheus('ALERTS{alertstate="firing", alertname="PostpayDeadLetters"}'))["data"]["result"]

    await eventually(fired)
    (alarm,) = [each["metric"] for each in await fired()]
    assert (alarm["type"], alarm["reason"], alarm["severity"]) == ("unknown", "nul", "warning")
