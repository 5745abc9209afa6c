"""Fetches that name only what has changed since the last one: Kafka's fetch sessions (KIP-227), which aiokafka lacks.

A broker remembers of a session which partitions are fetched, and from where. A fetch then names those that are to be
read from elsewhere than before, and the answer those with news: of 80 partitions of which one is busy, one.
A session is begun anew, with everything named, whenever it is in doubt whether both sides think the same of it.

Protocol: docs/protocol.md, Input.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.fetch import FetchRequest

FIRST_EPOCH = 0
"""Of a fetch that names everything and begins a session."""
LAST_EPOCH = 2**31 - 1
SESSIONS_SINCE = 7
"""Brokers of before Kafka 1.1 have only fetches that name everything."""

Partitions = Mapping[tuple[str, int], tuple[int, int]]
"""By topic and partition, offset and most bytes."""


@dataclass(slots=True)
class FetchSession:
    """What a broker knows of one, as far as it has answered; `epoch` is that of the next fetch."""

    number: int = 0
    epoch: int = FIRST_EPOCH
    known: Partitions = field(default_factory=dict)


class SessionFetch(FetchRequest):  # type: ignore[misc] # aiokafka has no types
    """What aiokafka wants fetched, told as the next fetch of a session."""

    def __init__(self, request: FetchRequest, wanted: Partitions, session: FetchSession) -> None:
        """Name what the session doesn't know yet.

        Args:
            request: aiokafka's own.
            wanted: its partitions.
            session: what the broker knows; as it is when the request is sent.
        """
        self.whole = request
        known = session.known if session.epoch != FIRST_EPOCH else {}
        news = [(topic, (number, *at)) for (topic, number), at in wanted.items() if known.get((topic, number)) != at]
        super().__init__(
            request._max_wait_ms,  # noqa: SLF001  as in transport.py; pinned by test_transport_pins
            request._min_bytes,  # noqa: SLF001
            request._max_bytes,  # noqa: SLF001
            request._isolation_level,  # noqa: SLF001
            _by_topic(news),
            request._rack_id,  # noqa: SLF001
        )
        self.session = (session.number, session.epoch)
        self.forgotten = _by_topic(partition for partition in known if partition not in wanted)

    def build(self, request_struct_class: Any) -> Any:
        """Make what is sent, in the version that the broker speaks."""
        if request_struct_class.API_VERSION < SESSIONS_SINCE:
            return self.whole.build(request_struct_class)
        built = super().build(request_struct_class)
        built.session_id, built.session_epoch = self.session
        built.forgotten_topics_data = self.forgotten
        return built


class FetchingClient:
    """aiokafka's client as its fetcher sees it: fetches go out in sessions, one for each broker, all else as it was."""

    def __init__(self, client: AIOKafkaClient) -> None:
        self._client = client
        self._sessions: dict[int, FetchSession] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def renew(self) -> None:
        """Begin all sessions anew: an answer under way may be dropped, and with it what is told only once."""
        for node_id in self._sessions:
            self._begin_anew(node_id)

    async def send(self, node_id: int, request: Any, **more: Any) -> Any:
        """Send, as aiokafka's own does.

        Raises:
            KafkaError: the broker does not answer, or has lost the session; the next fetch begins another.
        """
        if not isinstance(request, FetchRequest):
            return await self._client.send(node_id, request, **more)
        session = self._sessions.setdefault(node_id, FetchSession())
        wanted = {(topic, each[0]): each[1:] for topic, partitions in request.topics for each in partitions}
        is_sound = False
        try:
            response = await self._client.send(node_id, SessionFetch(request, wanted, session), **more)
            if response.API_VERSION >= SESSIONS_SINCE:
                is_sound = self._goes_on(node_id, session, wanted, response)
        finally:
            if not is_sound and self._sessions[node_id] is session:
                self._begin_anew(node_id)
        return response

    def _goes_on(self, node_id: int, session: FetchSession, wanted: Partitions, response: Any) -> bool:
        """Take what the broker says; whether the session can go on.

        Raises:
            KafkaError: it says that it cannot, or tells of what was not asked for.
        """
        if response.error_code:
            raise for_code(response.error_code)
        if any((topic, each[0]) not in wanted for topic, partitions in response.topics for each in partitions):
            msg = f"broker {node_id} answers a fetch with partitions that were not asked for"
            raise KafkaError(msg)
        is_first = session.epoch == FIRST_EPOCH
        if is_first:
            self._sessions[node_id].number = response.session_id  # of a renewed one as well: so the broker ends it
        if not response.session_id or session.number != response.session_id:
            return False
        session.epoch = session.epoch % LAST_EPOCH + 1
        session.known = wanted
        return not any(error for _, partitions in response.topics for _, error, *_ in partitions)

    def _begin_anew(self, node_id: int) -> None:
        self._sessions[node_id] = FetchSession(self._sessions[node_id].number)


def _by_topic(pairs: Iterable[tuple[str, Any]]) -> list[tuple[str, list[Any]]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for topic, each in pairs:
        found[topic].append(each)
    return list(found.items())
