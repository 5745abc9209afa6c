"""What a lane needs around it, without broker and database."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from storage.identity import Identity
from workers import logs
from workers.lanes.surroundings import Surroundings
from workers.lanes.turns import Turns
from workers.settings.model import Settings
from workers.status import WorkerStatus


class Gathering:
    """Stands for a company: who is in it, and who has left."""

    def __init__(self, messages: Mapping[int, int]) -> None:
        self.messages = dict(messages)
        self.left: list[int] = []

    def leave(self, lane: int) -> None:
        self.left.append(lane)


def surroundings(status: WorkerStatus, **given: Any) -> Surroundings:
    """Nothing that isn't given, but a database of one lane and one turn at a time."""
    around: dict[str, Any] = {
        "settings": Settings(),
        "identity": Identity(uuid4(), 1, None, None, None),
        "pool": None,
        "partitions": lambda: None,
        "claimer": None,
        "reader": None,
        "sender": None,
        "sent_batches": None,
        "status": status,
        "owner": "test",
        "next_token": lambda: 1,
        "states": logs.ChangeOfState(logs.get(__name__)),
        "turns": Turns(1),
        "on_defect": _raise,
    }
    return Surroundings(**around | given)


def _raise(defect: Exception) -> None:
    raise defect
