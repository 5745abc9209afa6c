"""Rules that decide differently have another version."""

from typing import get_args

from settlement.decide import RULES, TIMER_RULES
from settlement.decision import DeclineReason, Outcome
from settlement.ledger import LedgerAccount
from settlement.outputs import MerchantActivityRecorded, OutputBody
from settlement.version import RULES_VERSION
from tests.property import golden

DECIDED = (3, "366cc50ae0e163eff3b1a9698ba013933dc48623085a86f094ca36a8d6fcec07")
"""A version of the rules, and the digest of what it decides on the golden histories."""

DIFFERENT = """
The rules decide differently on the golden histories than those of version {version} did.
Not meant? Then a rule has changed that should not have. Meant: raise RULES_VERSION in settlement/version.py and store
both here, DECIDED = ({next}, "{digest}"); `python -m tests.property.golden` prints the digest.
Only where the histories were drawn anew, and no rule changed with them, the version stays and the digest alone is new.
"""


def test_rules_that_decide_differently_have_another_version():
    digest = golden.digest()
    version, decided = DECIDED
    assert digest == decided, DIFFERENT.format(version=version, next=version + 1, digest=digest)
    assert version == RULES_VERSION, "RULES_VERSION was raised, but the rules decide as before: DECIDED is of another"


def test_golden_histories_reach_every_rule():
    """What they never reach could change unseen."""
    reached: set[str] = set()
    for history in golden.histories():
        for each in golden.settled(history):
            decision = each.decision
            reached |= {decision.reason or "", *(output.body.type for output in decision.outputs)}
            reached |= {account for posting in decision.postings for account in (posting.debit, posting.credit)}
            if decision.outcome is Outcome.APPLIED:
                reached.add(type(each.input.body).__name__ if each.input is not None else each.timer.kind.name)
    everything = {body.__name__ for body in RULES} | {kind.name for kind in TIMER_RULES}
    everything |= {*LedgerAccount, *DeclineReason}
    everything |= {body.type for body in get_args(OutputBody)} - {MerchantActivityRecorded.type}  # of a batch
    left = everything - reached
    assert not left, (
        f"no golden history reaches {left}: let tests/property/tellers tell of it, "
        "and draw them anew with `python -m tests.property.golden --draw`"
    )
