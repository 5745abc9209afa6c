"""Deterministic ids: the same cause gives the same ids, live and in replay."""

from uuid import UUID, uuid5

NAMESPACE = UUID("6f1c9a52-7d0b-5e8e-9d3c-2b1f0a4e7c11")
"""Root of all ids postpay makes. Changing it would make a replay differ from what was emitted."""


def derived_id(cause: str, counter: int) -> str:
    """Return the `counter`-th id that `cause` brings: an input's (topic, key, event_id) or a timer's id."""
    return str(uuid5(NAMESPACE, f"{cause}\n{counter}"))
