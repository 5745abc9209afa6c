import pytest

from settlement import lifecycles
from settlement.decision import InvariantBrokenError
from settlement.statuses import OrderStatus


def test_the_document_is_up_to_date():
    assert lifecycles.main(["--check"]) == 0


def test_a_step_that_a_state_does_not_allow_stops_the_lane():
    with pytest.raises(InvariantBrokenError, match="order cancelled does not allow captured"):
        lifecycles.ORDER.after(OrderStatus.CANCELLED, "captured")


def test_writing_makes_what_checking_expects(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(lifecycles, "DOCUMENT", tmp_path / "states.md")
    assert lifecycles.main(["--check"]) == 1
    assert "run python -m settlement.lifecycles --write" in capsys.readouterr().err
    assert lifecycles.main(["--write"]) == 0
    assert lifecycles.main(["--check"]) == 0
    assert lifecycles.main([]) == 2
