"""`postpay replay simulate` on a real history: recorded terms make no difference, other terms do, and it is told."""

import copy
import json
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from settlement.terms import TermsBook
from tests.command import Command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BROWSER = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)


@pytest.fixture(scope="module")
def command(settled):
    return Command(settled.platform.environment | {"POSTPAY_CLOCK": "event"})


async def recorded_terms(settled) -> dict:
    (row,) = await settled.platform.fetch(
        "SELECT document FROM terms JOIN lane ON terms_digest = digest GROUP BY document"
    )
    return json.loads(row["document"])


def stricter(document: dict) -> dict:
    """Higher penalties and scores, other due days: debits of statements have other ids."""
    other = copy.deepcopy(document)
    for version in other["versions"]:
        version["penalty_bps_per_day"] = 50
        for programme in version["programmes"].values():
            programme.setdefault("needs", {})["score_at_least"] = 650
            for plan in programme["plans"].values():
                if "due_day" in plan:
                    plan["due_day"] = plan["due_day"] + 4
    return other


def simulated(command, folder: Path, document: dict, *arguments: str):
    file = folder / "terms.json"
    file.write_text(json.dumps(document))
    return command("replay", "simulate", "--terms", str(file), *arguments)


@pytest.fixture(scope="module")
async def other_terms(settled, command, tmp_path_factory):
    """What stricter terms would have done: the report, and the page."""
    folder = tmp_path_factory.mktemp("simulated")
    page = folder / "report.html"
    ran = simulated(command, folder, stricter(await recorded_terms(settled)), "--json", "--html", str(page))
    assert ran.code == 0, ran.err
    return ran.json, page


async def test_recorded_terms_make_no_difference(settled, command, tmp_path):
    ran = simulated(command, tmp_path, await recorded_terms(settled), "--json", "--account", "acc-nobody")
    assert ran.code == 0, ran.err
    report = ran.json
    assert report["equal"]
    assert report["account"] == {"id": "acc-nobody", "steps": []}
    assert "Nothing about account 'acc-nobody' was decided in either story." in report["notes"]
    assert report["lanes_unlike_recorded"] == {}, "the recorded story comes to the hashes in the lane-log"
    assert (report["parties_apart"], report["most_apart"]) == (0, [])
    for row in (*report["outcomes"], *report["counts"]):
        assert row["recorded"] == row["simulated"]
    for row in (*report["amounts"], *report["days"]):
        assert row["recorded_minor"] == row["simulated_minor"]
    assert "no difference" in simulated(command, tmp_path, await recorded_terms(settled)).out
    await the_recorded_story_is_what_the_database_has(settled, report)


async def the_recorded_story_is_what_the_database_has(settled, report):
    amounts = {(row["measure"], row["currency"]): row["recorded_minor"] for row in report["amounts"]}
    sums = {
        "limit_at_end": "sum(limit_minor) FROM account",
        "available_at_end": "sum(available_minor) FROM account",
        "owed_at_end": "sum(receivable_minor + fee_receivable_minor + penalty_receivable_minor) FROM account",
        "payable_at_end": "sum(payable_minor) FROM merchant_balance",
        "penalties": "sum(balance_minor) FROM platform_balance WHERE ledger_account = 'penalty_income'",
        "fees": "sum(balance_minor) FROM platform_balance WHERE ledger_account = 'fee_income'",
        "collected": "sum(balance_minor) FROM platform_balance WHERE ledger_account = 'gateway_clearing'",
    }
    for measure, rows in sums.items():
        in_database = {row[0]: row[1] for row in await settled.platform.fetch(f"SELECT currency, {rows} GROUP BY 1")}
        told = {currency: amount for (name, currency), amount in amounts.items() if name == measure}
        assert told == {currency: amount for currency, amount in in_database.items() if amount}, measure
    purchases = [row for row in report["outcomes"] if row["type"] == "purchase.placed"]
    became = {(row["outcome"], row["reason"]): row["recorded"] for row in purchases}
    decided = await settled.platform.fetch(
        "SELECT outcome, reason, count(*) FROM decision WHERE type = 'purchase.placed' GROUP BY 1, 2"
    )
    assert {(row[0], row[1]): row[2] for row in decided}.items() <= became.items()


async def test_other_terms_are_told_by_json_and_page(other_terms):
    report, page = other_terms
    assert not report["equal"]
    assert report["lanes_unlike_recorded"] == {}
    penalties = next(row for row in report["amounts"] if row["measure"] == "penalties")
    assert penalties["simulated_minor"] > penalties["recorded_minor"] >= 0
    declined = {row["reason"]: row for row in report["outcomes"] if row["type"] == "purchase.placed"}
    assert declined["score_below_threshold"]["simulated"] > declined["score_below_threshold"]["recorded"]
    assert report["most_apart"]
    assert page.stat().st_size < 3_000_000


DECIDED = """
SELECT decided_at, outcome, reason, string_to_array(nullif(outputs, ''), chr(10)) AS outputs, array(
    SELECT format('%s ← %s %s %s', debit, credit, amount_minor, currency)
    FROM posting
    WHERE posting.lane = decision.lane AND posting.seq = decision.seq
    ORDER BY n
) AS postings
FROM decision
WHERE party_id = $1
ORDER BY seq
"""


async def test_one_accounts_two_stories_are_what_happened_and_what_the_report_counts(
    settled, command, other_terms, tmp_path
):
    document = stricter(await recorded_terms(settled))
    (most, *_) = [row for row in other_terms[0]["most_apart"] if row["kind"] == "account"]
    ran = simulated(command, tmp_path, document, "--json", "--account", most["id"])
    told, steps = ran.json["account"], ran.json["account"]["steps"]
    assert told["id"] == most["id"]
    happened = await settled.platform.fetch(DECIDED, most["id"])
    recorded = [step["recorded"] for step in steps if step["recorded"] is not None]
    assert [
        (datetime.fromisoformat(each["at"]), each["outcome"], each["reason"], each["postings"], len(each["outputs"]))
        for each in recorded
        if each["outcome"] in {"applied", "declined"}
    ] == [(*row[:3], row["postings"], len(row["outputs"] or ())) for row in happened]
    for measure, account in (("penalties", "penalty_income"), ("fees", "fee_income")):
        apart = sum(booked(step["simulated"], account) - booked(step["recorded"], account) for step in steps)
        assert apart == most[measure], measure
    assert {step["equal"] for step in steps} == {True, False}
    assert all(step["equal"] == (step["recorded"] == step["simulated"]) for step in steps)
    table = simulated(command, tmp_path, document, "--account", most["id"]).out
    for part in (f"account {most['id']}", "≠", "score_below_threshold", "penalties charged"):
        assert part in table


def booked(step, account: str) -> int:
    """What one side of a step brought to an income, less what it took back."""
    total = 0
    for posting in [] if step is None else step["postings"]:
        debit, _, credit, amount, _ = posting.split()
        total += int(amount) * ((credit == account) - (debit == account))
    return total


async def test_other_terms_from_a_date_change_nothing_before(settled, command, other_terms, tmp_path):
    recorded, always = await recorded_terms(settled), other_terms[0]
    dates = sorted({row["date"] for row in always["days"] if row["recorded_minor"] != row["simulated_minor"]})
    since = dates[len(dates) // 2]
    report = simulated(command, tmp_path, stricter(recorded), "--from-date", since, "--json").json
    apart = {row["date"] for row in report["days"] if row["recorded_minor"] != row["simulated_minor"]}
    assert apart
    assert min(apart) >= since
    never = simulated(command, tmp_path, stricter(recorded), "--from-date", "2099-01-01", "--json").json
    assert never["equal"]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium: apt-get install chromium-headless-shell")
def test_the_page_draws_its_charts_in_a_browser_without_a_network(other_terms, tmp_path):
    report, page = other_terms
    text = rendered(page, tmp_path)
    assert text.count('<div class="chart"') == text.count("<svg") > 3, "every chart was drawn"
    for note in report["how_to_read"]:
        assert note[:40] in text
    assert "penalties charged" in text


def rendered(page: Path, folder: Path) -> str:
    """The page as the browser has it once its scripts are through; it may ask nobody."""
    ran = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={folder / 'browser'}",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return ran.stdout


def test_terms_that_are_none_are_refused_with_the_field(command, tmp_path):
    document = copy.deepcopy(TermsBook.builtin().document)
    document["versions"][0]["penalty_bps_per_day"] = -1
    ran = simulated(command, tmp_path, document)
    assert ran.code == 1
    assert "penalty_bps_per_day" in ran.complaint
