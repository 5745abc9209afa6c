"""Taking back from a schedule of several obligations."""

from datetime import date

import pytest

from settlement.draft import Cause, Draft, Moment
from settlement.entities import Obligation, Order
from settlement.messages import PurchaseReceived
from settlement.rules.refund import take_back
from settlement.statuses import ObligationStatus
from settlement.values import revised
from tests.unit.settlement.builders import BUYER, RULES, at, deferred, lane_with_line


def in_thirds(paid_minor: int) -> tuple[Draft, Order]:
    """An order of 3 × 1,000 due in February, March and April, of which the first instalments are paid."""
    lane = lane_with_line("kuaishou")
    lane.send("2026-01-02", deferred(amount_minor=3_000))
    lane.send("2026-01-03", PurchaseReceived("order"))
    (whole,) = lane.obligations
    state = lane.states[BUYER]
    left = paid_minor
    for number, month in enumerate((2, 3, 4)):
        paid = min(left, 1_000)
        left -= paid
        state.entities[Obligation][f"part-{number}"] = revised(
            whole,
            obligation_id=f"part-{number}",
            no=10 + number,
            due_on=date(2026, month, 1),
            principal_minor=1_000,
            paid_principal_minor=paid,
            status=ObligationStatus.PAID if paid == 1_000 else ObligationStatus.OPEN,
        )
    del state.entities[Obligation][whole.obligation_id]
    order = revised(lane.get(Order, "order"), obligation_ids=("part-0", "part-1", "part-2"))
    state.entities[Order]["order"] = order
    return Draft(state, BUYER, Moment(at("2026-01-10"), at("2026-01-10")), RULES, Cause("test", "test"), state), order


@pytest.mark.parametrize(
    ("paid_minor", "returned_minor", "principals", "paid", "paid_out_minor"),
    [
        (0, 500, [1_000, 1_000, 500], [0, 0, 0], 0),
        (0, 1_500, [1_000, 500, 0], [0, 0, 0], 0),
        (1_500, 2_000, [1_000, 0, 0], [1_000, 0, 0], 500),
        (1_000, 2_500, [500, 0, 0], [500, 0, 0], 500),
        (3_000, 1_200, [1_000, 800, 0], [1_000, 800, 0], 1_200),
        (500, 3_000, [0, 0, 0], [0, 0, 0], 500),
    ],
)
def test_unpaid_principal_goes_from_the_last_due_date_backwards_then_what_was_paid(
    paid_minor, returned_minor, principals, paid, paid_out_minor
):
    draft, order = in_thirds(paid_minor)
    assert take_back(draft, order, returned_minor, "returned") == paid_out_minor
    parts = [draft.get(Obligation, f"part-{number}") for number in range(3)]
    assert [each.principal_minor for each in parts] == principals
    assert [each.paid_principal_minor for each in parts] == paid
    for each in parts:
        expected = ObligationStatus.OPEN if each.open_minor else ObligationStatus.PAID
        assert each.status is (expected if each.principal_minor else ObligationStatus.RETURNED)


def test_only_what_a_return_changes_is_recorded():
    draft, order = in_thirds(0)
    take_back(draft, order, 500, "returned")
    recorded = [each.obligation_id for each in draft.applied().entities if isinstance(each, Obligation)]
    assert recorded == ["part-2"]
