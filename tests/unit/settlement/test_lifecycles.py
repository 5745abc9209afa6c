import pytest

from settlement import lifecycles
from settlement.decision import InvariantBrokenError
from settlement.statuses import OrderStatus


def test_a_step_that_a_state_does_not_allow_stops_the_lane():
    with pytest.raises(InvariantBrokenError, match="order cancelled does not allow captured"):
        lifecycles.ORDER.after(OrderStatus.CANCELLED, "captured")
