"""The demo's verdict: every invariant that does not hold is named, and figures are only those of the system."""

import io
import re
from collections import Counter
from datetime import UTC, datetime

from rich.console import Console

from demo.reader import Delivered
from demo.report import Report
from settlement.dead_letter import DeadLetter, DeadLetterReason
from settlement.messages import Source
from storage.audit import Check
from storage.dead_letters import KeptLetter
from workers.replay.difference import Difference
from workers.replay.report import LaneReport
from workers.replay.report import VerificationReport as Verification

NOW = datetime(2026, 4, 1, tzinfo=UTC)


def printed(shown: Report) -> str:
    console = Console(file=io.StringIO(), width=120)
    shown.show(console)
    return re.sub(" +\n", "\n", console.file.getvalue())


def verified(*lanes: LaneReport, findings=()) -> Verification:
    return Verification(lanes, findings, rules_version=1, seconds=1.0)


def report(**changed) -> Report:
    given = {
        "sent": 10,
        "outcomes": {"applied": 9, "declined": 1, "duplicate": 2},
        "delivered": Delivered(Counter({"limit.released": 3, "merchant_activity.recorded": 2, "rerouted": 1})),
        "totals": [],
        "checks": [Check("debits equal credits", True, "")],
        "verified": verified(),
        "defects": [],
        "workers": 3,
        "seconds": 1.04,
        "account": None,
        "merchant": None,
    }
    return Report(**(given | changed))


def test_a_run_in_which_everything_holds_has_nothing_wrong():
    assert list(report().wrong()) == []


def test_activity_between_lanes_is_neither_an_input_nor_an_output_of_the_platform():
    assert report().inputs == {"applied": 7, "duplicate": 2, "declined": 1}
    assert report().outputs == {"limit.released": 3}


def test_a_record_without_an_outcome_is_wrong():
    assert list(report(sent=11).wrong()) == ["11 records were sent, yet 10 have an outcome"]


def test_a_record_with_two_outcomes_is_wrong():
    assert list(report(sent=9).wrong()) == ["9 records were sent, yet 10 have an outcome"]


def test_an_output_delivered_twice_is_wrong():
    delivered = Delivered(Counter({"limit.released": 3, "merchant_activity.recorded": 2}), ["payout: b'e-1'"])
    assert list(report(delivered=delivered).wrong()) == ["delivered twice: payout: b'e-1'"]


def test_what_the_audit_finds_is_wrong():
    checks = [Check("hash chain", True, "3 batches"), Check("held is promised to orders", False, "lane 2: acc-1")]
    found = report(checks=checks)
    assert list(found.wrong()) == ["audit: held is promised to orders: lane 2: acc-1"]
    assert found.summary()["audit"]["ok"] is False


def test_what_comes_out_otherwise_when_it_is_decided_again_is_wrong_and_so_is_what_was_not_compared():
    apart = Difference("posting 0 of decision 3", "amount_minor", "7", "8", 2)
    lanes = [LaneReport(0, difference=apart), LaneReport(1, unfinished="the database is ahead"), LaneReport(2)]
    found = report(verified=verified(*lanes, findings=[Difference("terms ab", "digest", "ab", "cd")]))
    assert list(found.wrong()) == [
        "replay: at the end: terms ab, digest: recorded ab; decided again cd",
        "replay: lane 0, batch 2: posting 0 of decision 3, amount_minor: recorded 7; decided again 8",
        "replay: lane 1, the database is ahead",
    ]
    assert found.summary()["replay"]["equal"] is False
    assert "NOT all of it the same" in " ".join(printed(found).split())


def test_a_dead_letter_that_is_a_defect_is_wrong():
    trace = 'KeyError in fire\nTraceback (most recent call last):\n  File "decide.py", line 1\nKeyError: 3\n'
    letter = DeadLetter(Source("purchase", 3, 7), None, DeadLetterReason.INTERNAL_ERROR, trace, NOW, b"a-1", b"{}")
    defect = KeptLetter(3, letter)
    assert list(report(defects=[defect]).wrong()) == ["internal error: purchase/3/7: KeyError: 3"]


def test_notices_are_shown_by_programme_and_those_of_shops_last():
    notices = Counter(
        {("payment_overdue", "taobao"): 2, ("debit_made", "tmall"): 1_300, ("deposit_refund_paid", "shops"): 1}
    )
    shown = printed(report(delivered=Delivered(Counter(), notices=notices)))
    assert re.search(r"notice +taobao +tmall +shops", shown)
    assert re.search(r"debit made +– +1,300 +–\n *payment overdue +2 +– +–\n *deposit refund paid +– +– +1", shown)


def test_the_summary_has_the_fields_scripts_rely_on():
    summary = report().summary()
    assert list(summary) == ["inputs", "outputs", "audit", "workers", "messages", "seconds", "replay"]
    assert summary["messages"] == 10
    assert summary["seconds"] == 1.0
