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

NOW = datetime(2026, 4, 1, tzinfo=UTC)


def printed(shown: Report) -> str:
    console = Console(file=io.StringIO(), width=120)
    shown.show(console)
    return re.sub(" +\n", "\n", console.file.getvalue())


def report(**changed) -> Report:
    given = {
        "sent": 10,
        "outcomes": {"applied": 9, "declined": 1, "duplicate": 2},
        "delivered": Delivered(Counter({"limit.released": 3, "merchant_activity.recorded": 2, "rerouted": 1})),
        "totals": [],
        "checks": [Check("debits equal credits", True, "")],
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
    assert list(summary) == ["inputs", "outputs", "audit", "workers", "messages", "seconds"]
    assert summary["messages"] == 10
    assert summary["seconds"] == 1.0
