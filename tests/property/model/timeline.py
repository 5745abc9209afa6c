"""What has become of an obligation over time: its principal, what was paid of it, and the penalties that follow.

No penalty is kept: each is worked out from the instants at which one was charged and from what was unpaid then, so
whatever changes the past of the payments changes them too.
"""

from datetime import datetime, timedelta
from itertools import count

from tests.property.model.facts import PENALTY_BPS, Facts, half_up

Place = tuple[datetime, float]
"""An instant, and which of those told of it this is."""
JUST = timedelta(microseconds=1)
"""Between steps of one instant: what comes just before a step of that instant, or just after."""


FALLS, STEPS, TOLD = -1, 0, count(1)


def place_at(instant: datetime) -> Place:
    """Among what there is: after all of that instant that was told before."""
    return instant, next(TOLD)


def among_falls(instant: datetime) -> Place:
    """Among what falls overdue at a 00:00, and before its penalties."""
    return instant, FALLS + next(TOLD) / 10**9


def instant_of(place: datetime) -> datetime:
    """The instant itself of what comes just before its steps; messages are told to the second."""
    return place + JUST if place.microsecond == 999_999 else place


def right_after(place: Place) -> Place:
    return place[0], place[1] + 1


def change_principal(owed: Facts, by: int, now: datetime) -> None:
    if by:
        owed["principal"] += by
        owed["changes"].append((place_at(now), by))


def log_payment(owed: Facts, part: str, amount: int, at: datetime, by: Facts | None = None) -> Facts:
    """Count an amount, which may be negative, as paid from an instant on."""
    owed["paid"][part] += amount
    place = by["place"] if by else place_at(at)
    entry = {"at": at, "part": part, "amount": amount, "by": by, "place": place}
    owed["payments"].append(entry)
    return entry


def paid_before(owed: Facts, part: str, place: Place) -> int:
    return sum(each["amount"] for each in owed["payments"] if each["part"] == part and each["place"] < place)


def principal_before(owed: Facts, place: Place) -> int:
    """What was unpaid of the principal."""
    whole = sum(by for changed, by in owed["changes"] if changed < place)
    return max(whole - paid_before(owed, "principal", place), 0)


def principal_at(owed: Facts, instant: datetime) -> int:
    """What was unpaid of the principal when the steps of a 00:00 were taken."""
    return principal_before(owed, (instant, STEPS))


def was_open_at(owed: Facts, fall: Facts) -> bool:
    """Whether anything was, by what is known now; fees and penalties that were waived since were not."""
    until = fall["at"] if fall["place"][1] > STEPS else fall["at"] - JUST
    return (
        principal_before(owed, fall["place"]) > 0
        or owed["fee"] > paid_before(owed, "fee", fall["place"])
        or penalty_of(owed, until) > paid_before(owed, "penalty", fall["place"])
    )


def end_of(owed: Facts, fall: Facts) -> datetime | None:
    """When a time overdue ended: with the first payment, cut or waiver after which nothing was open."""
    happened = [each["place"] for each in owed["payments"]]
    happened += [place for place, _ in (*owed["changes"], *owed["waivers"])]
    for place in sorted(happened):
        if place < fall["place"]:
            continue
        then = right_after(place)
        waived = sum(amount for waived_at, amount in owed["waivers"] if waived_at < then)
        if (
            not principal_before(owed, then)
            and owed["fee"] <= paid_before(owed, "fee", then)
            and standing(owed, place[0]) - waived <= paid_before(owed, "penalty", then)
        ):
            return instant_of(place[0])
    return None


def charges_of(owed: Facts) -> list[tuple[datetime, int]]:
    """What each 00:00 charged: in sum at most the principal that was unpaid when it fell overdue."""
    moves = [*owed["changes"], *((each["place"], -each["amount"]) for each in owed["payments"] if _is_principal(each))]
    moves.sort(key=lambda move: move[0], reverse=True)
    steps = [(fall["place"], True) for fall in owed["falls"]] + [((at, STEPS), False) for at in owed["charges"]]
    unpaid = counted = most = 0
    charged = []
    for place, is_fall in sorted(steps):
        while moves and moves[-1][0] < place:
            unpaid += moves.pop()[1]
        base = max(unpaid, 0)
        if is_fall:
            most = max(most, base)
            continue
        amount = max(half_up(base, PENALTY_BPS), 1) if base else 0
        amount = max(min(amount, most - counted), 0)
        amount = min(amount, owed["ceiling"].get(place[0], amount))
        counted += amount
        charged.append((place[0], amount))
    return charged


def _is_principal(payment: Facts) -> bool:
    return payment["part"] == "principal"


def standing(owed: Facts, until: datetime | None = None) -> int:
    """What stands of the penalties charged by an instant (by now), waived or not."""
    charged = [(at, amount) for at, amount in charges_of(owed) if until is None or at <= until]
    amount = sum(amount for _, amount in charged)
    if owed["lowered"]:
        principal, days = owed["principal"] + owed["moved"], sum(amount > 0 for _, amount in charged)
        amount = min(amount, principal, days * max(half_up(principal, PENALTY_BPS), 1))
    return amount


def penalty_of(owed: Facts, until: datetime | None = None) -> int:
    """The penalties by an instant (by now): the oldest ones are those that were waived."""
    return max(standing(owed, until) - sum(amount for _, amount in owed["waivers"]), 0)


def look_again(owed: Facts) -> int:
    """Work the penalties out anew. Returns what was paid of them and is no penalty any more: it has to go somewhere.

    The last payments did not pay it after all.
    """
    owed["penalty"] = penalty_of(owed)
    too_much = max(owed["paid"]["penalty"] + owed["lost"]["penalty"] - owed["penalty"], 0)
    not_lost = min(too_much, owed["lost"]["penalty"])
    owed["lost"]["penalty"] -= not_lost
    too_much -= not_lost
    left = too_much
    owed["paid"]["penalty"] -= too_much
    for entry in sorted(owed["payments"], key=lambda each: each["place"], reverse=True):
        if entry["part"] == "penalty" and entry["amount"] > 0:
            less = min(entry["amount"], left)
            entry["amount"] -= less
            left -= less
            if entry["by"]:
                _share_less(entry["by"], owed, less)
    return too_much


def _share_less(money: Facts, owed: Facts, amount: int) -> None:
    for each, parts in money["shares"]:
        less = min(parts["penalty"], amount) if each is owed else 0
        parts["penalty"] -= less
        money["gone"] += less
        amount -= less


def hold_charges(owed: Facts) -> None:
    """Whatever comes, no day costs more than it does by now."""
    owed["ceiling"] = dict(charges_of(owed))


def charge(owed: Facts, now: datetime) -> tuple[int, bool]:
    """Charge the penalty of an instant. Returns it, and whether it is less than the rate says."""
    before = owed["penalty"]
    owed["charges"].append(now)
    look_again(owed)
    base = principal_at(owed, now)
    amount = owed["penalty"] - before
    return amount, bool(base) and amount < max(half_up(base, PENALTY_BPS), 1)


def limit_penalty(owed: Facts) -> int:
    """After the principal was lowered. Returns what was paid above."""
    owed.update(lowered=True, moved=0)
    return look_again(owed)


def forget_penalty(owed: Facts, now: datetime, *, but: int = 0) -> int:
    """Nothing is a penalty any more but so much. Returns what was paid above, which goes back."""
    back = max(owed["paid"]["penalty"] - but, 0)
    log_payment(owed, "penalty", -back, now)
    owed["waivers"].append((place_at(now), max(owed["penalty"] - but, 0)))
    return back + look_again(owed)


def waive_penalty(owed: Facts, amount: int, now: datetime) -> None:
    owed["waivers"].append((place_at(now), amount))
    look_again(owed)


def waive_rest(owed: Facts, now: datetime) -> None:
    """Where no principal is left, fee and penalty are what was paid of them."""
    if not owed["principal"]:
        owed["fee"] = owed["paid"]["fee"] + owed["lost"]["fee"]
        forget_penalty(owed, now, but=owed["paid"]["penalty"] + owed["lost"]["penalty"])


# Falls into overdue, and how they end.


def fall(owed: Facts, at: datetime, *, among_steps: bool = False) -> None:
    """At an instant, by what is told, or among the steps of a 00:00."""
    place = among_falls(at) if among_steps else place_at(at)
    owed["falls"].append({"at": at, "place": place, "cleared_at": None, "ended_at": None})


def look_at_falls(owed: Facts) -> bool:
    """Which falls there were, and when each ended, by what is known now. Returns whether one turns out to be none."""
    kept = [each for each in owed["falls"] if was_open_at(owed, each)]
    dropped = len(kept) < len(owed["falls"])
    owed["falls"] = kept
    for each in kept:
        each["cleared_at"] = each["ended_at"] or end_of(owed, each)
    return dropped


def unpaid_at(owed: Facts, part: str, at: datetime) -> int:
    """What there is to pay of a part for money of an instant: of penalties only what was charged by then."""
    return max(_there_is(owed, part, at) - owed["paid"][part] - owed["lost"][part], 0)


def _there_is(owed: Facts, part: str, at: datetime) -> int:
    """All that there was to pay by an instant: of fee and principal also what was made later."""
    return penalty_of(owed, at) if part == "penalty" else owed[part]
