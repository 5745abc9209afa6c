import pytest

from settlement import states
from settlement.decision import InvariantBrokenError
from settlement.entities import OrderStatus


def test_the_document_is_up_to_date():
    assert states.generated().out_of_date() == []


def test_a_step_that_a_state_does_not_allow_stops_the_lane():
    with pytest.raises(InvariantBrokenError, match="order cancelled does not allow captured"):
        states.ORDER.after(OrderStatus.CANCELLED, "captured")
