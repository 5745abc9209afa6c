import pytest

from settlement import states
from settlement.decision import InvariantBrokenError
from settlement.entities import OrderStatus


def test_the_document_is_up_to_date():
    assert states.main(["--check"]) == 0


def test_a_step_that_a_state_does_not_allow_stops_the_lane():
    with pytest.raises(InvariantBrokenError, match="order cancelled does not allow captured"):
        states.ORDER.after(OrderStatus.CANCELLED, "captured")


def test_writing_makes_what_checking_expects(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(states, "DOCUMENT", tmp_path / "states.md")
    assert states.main(["--check"]) == 1
    assert "run python -m settlement.states --write" in capsys.readouterr().err
    assert states.main(["--write"]) == 0
    assert states.main(["--check"]) == 0
    assert states.main([]) == 2
