"""Shortens a history that breaks a property, and tells it in words.

Hypothesis would shrink the choices a history was drawn by, thousands of them, each try settling whole histories; a
history is a list of inputs, and leaving some out is all it takes.
"""

from collections.abc import Callable, Sequence

from settlement.messages import Input

Property = Callable[[Sequence[Input]], None]
"""Raises when it does not hold of a history."""


def check(holds: Property, history: Sequence[Input]) -> None:
    """Check a property; if it does not hold, raise for the shortest history found that breaks it in the same way.

    Raises:
        AssertionError: with the history.
    """
    broken = _broken(holds, history)
    if broken is None:
        return
    shortest = list(history)
    size = len(shortest)
    while size:
        start, shorter = 0, False
        while start < len(shortest):
            fewer = shortest[:start] + shortest[start + size :]
            also = _broken(holds, fewer)
            if also is not None and _kind(also) == _kind(broken):
                shortest, shorter = fewer, True
            else:
                start += size
        if not shorter or size > 1:
            size //= 2
    again = _broken(holds, shortest)
    raise AssertionError(f"{again}\nin this history:\n{told(shortest)}") from again


def told(history: Sequence[Input]) -> str:
    """A line for each input, in arrival order."""
    return "\n".join(
        f"  {each.occurred_at.isoformat()} {each.source.topic} {each.party.id if each.party else '-'} "
        f"{each.event_id} {each.body}"
        for each in history
    )


def _broken(holds: Property, history: Sequence[Input]) -> Exception | None:
    try:
        holds(history)
    except Exception as broken:  # noqa: BLE001 - whatever it raises, it does not hold
        return broken
    return None


def _kind(broken: Exception) -> tuple[type, str]:
    return type(broken), str(broken).split("\n", maxsplit=1)[0].split(":", maxsplit=1)[0]
