"""A kind of timer brings its rank and its subject."""

from datetime import date

import pytest

from settlement.entity import ENTITIES
from settlement.messages import Input
from settlement.party import Party
from settlement.timers import TimerKind


def test_a_kind_without_a_rank_or_a_subject_is_refused_by_its_name():
    with pytest.raises((TypeError, RuntimeError)) as refused:
        TimerKind.__new_member__(TimerKind, "new_kind", 10)
    assert "timer kind new_kind: expected its rank and its subject" in str(refused.value)


@pytest.mark.parametrize("kind", TimerKind)
def test_a_kind_is_found_by_its_name_and_is_about_something(kind):
    assert TimerKind(kind.value) is kind
    assert kind.subject in {*ENTITIES, date, Party, Input}
