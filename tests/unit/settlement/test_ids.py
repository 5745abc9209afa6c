from uuid import uuid5

from settlement.entities import PlanKind
from settlement.ids import NAMESPACE, derived_id
from settlement.party import Party, PartyKind
from settlement.timers import Timer, TimerKind
from tests.unit.settlement.builders import at


def test_derived_ids_are_version_5_uuids():
    assert derived_id("purchase\0buyer\0event", 3) == str(uuid5(NAMESPACE, "purchase\0buyer\0event\n3"))
    assert derived_id("商店", 1) == str(uuid5(NAMESPACE, "商店\n1"))


def test_no_two_timers_have_one_id():
    due = at("2026-01-01")
    one = Timer(Party(PartyKind.ACCOUNT, "a:b"), TimerKind.TRIAL_END, "c", due)
    other = Timer(Party(PartyKind.ACCOUNT, "a"), TimerKind.TRIAL_END, "b:c", due)
    escaped = Timer(Party(PartyKind.ACCOUNT, "a"), TimerKind.TRIAL_END, "b%3Ac", due)
    assert len({one.timer_id, other.timer_id, escaped.timer_id}) == 3


def test_plan_kinds_are_their_wire_names():
    assert [kind.value for kind in PlanKind] == ["trial", "deferred", "statement", "instalment"]
