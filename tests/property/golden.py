"""Histories that never change, and a digest of all that the rules decide on them.

`python -m tests.property.golden` prints the digest; `--draw` draws the histories anew, which is due when a message or a
timer has become a rule that none of them reaches. They are a file, not a seed: whoever betters the tellers, or takes
another Python, changes what a seed draws, and a digest that changes with it tells nothing of the rules.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from random import Random
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from settlement import messages
from settlement.batch import Settled
from settlement.messages import Input, Source
from settlement.party import Party, PartyKind
from tests.property.histories import history_of
from tests.property.lane import Lane

FILE = Path(__file__).with_name("golden.jsonl")
"""A line for each message: history, topic, party, event_id, occurred_at, class of the body, its fields."""

DRAWN = 400
"""Histories are drawn of so many seeds; of each is kept what leads to something that none before it reached."""


def histories() -> list[list[Input]]:
    """The histories of the file, in order."""
    found: dict[int, list[Input]] = {}
    for line in FILE.read_text(encoding="utf-8").splitlines():
        number, topic, party, event_id, occurred_at, kind, content = json.loads(line)
        history = found.setdefault(number, [])
        body_class = getattr(messages, kind)
        history.append(
            Input(
                source=Source(topic, 0, len(history)),
                party=Party(PartyKind(party[0]), party[1]) if party else None,
                event_id=event_id,
                type=kind,
                occurred_at=datetime.fromisoformat(occurred_at),
                event_hash=_hash(topic, party, event_id),
                fingerprint=_hash(kind, content),
                body=_read(body_class, content),
                raw=b"",
            )
        )
    return list(found.values())


def settled(history: Sequence[Input]) -> list[Settled]:
    """What becomes of a history, message by message."""
    lane = Lane()
    for message in history:
        lane.settle([message])
    return lane.results


def digest() -> str:
    """SHA-256 of every decision on the histories with all that follows from it.

    A field that is at its default is left out, so that one that is new and means nothing yet changes no digest.
    """
    everything = hashlib.sha256()
    for history in histories():
        for each in settled(history):
            what = (each.decision, each.decided_at, each.was_parked, each.is_repeat)
            everything.update(json.dumps(_plain(what), sort_keys=True).encode())
    return everything.hexdigest()


def reached(results: Sequence[Settled]) -> set[str]:
    """What of the rules took effect: what became of each kind of message or timer, postings and outputs."""
    found: set[str] = set()
    for each in results:
        decision = each.decision
        cause = type(each.input.body).__name__ if each.input is not None else each.timer.kind.name
        found.add(f"{cause}: {decision.outcome} {decision.reason} {each.was_parked}")
        found |= {f"{cause}: {posting.debit} from {posting.credit}" for posting in decision.postings}
        found |= {f"{cause}: {output.body.type}" for output in decision.outputs}
    return found


def draw() -> None:
    """Draw histories, and write of each as much as reaches what none before it did."""
    known: set[str] = set()
    lines: list[str] = []
    for seed in range(DRAWN):
        lane, history, new = Lane(), history_of(Random(seed)), 0
        for number, message in enumerate(history, start=1):
            found = reached(lane.settle([message]))
            if not found <= known:
                known |= found
                new = number
        lines += [json.dumps([seed, *_line(message)], ensure_ascii=False) for message in history[:new]]
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _line(message: Input) -> Iterator[Any]:
    party = message.party
    yield message.source.topic
    yield None if party is None else [party.kind.value, party.id]
    yield message.event_id
    yield message.occurred_at.isoformat()
    yield type(message.body).__name__
    yield _plain(message.body)


def _plain(value: Any) -> Any:
    """Anything of the core as JSON has it."""
    match value:
        case Enum():
            return value.value
        case date():
            return value.isoformat()
        case bytes():
            return value.hex()
        case tuple() | list():
            return [_plain(each) for each in value]
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case _ if is_dataclass(value):
            given = {each.name: (getattr(value, each.name), each.default) for each in fields(value)}
            return {name: _plain(each) for name, (each, default) in given.items() if each != default}
        case _:
            return value


def _read(hint: Any, value: Any) -> Any:
    """What `_plain` made JSON of."""
    if isinstance(hint, UnionType):
        if value is None:
            return None
        (hint,) = (each for each in get_args(hint) if each is not type(None))
    if get_origin(hint) is tuple:
        return tuple(_read(get_args(hint)[0], each) for each in value)
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return hint(**{name: _read(hints[name], each) for name, each in value.items()})
    if hint is date:
        return date.fromisoformat(value)
    return hint(value) if issubclass(hint, Enum) else value


def _hash(*parts: Any) -> bytes:
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).digest()


if __name__ == "__main__":
    if sys.argv[1:] == ["--draw"]:
        draw()
    print(digest())
