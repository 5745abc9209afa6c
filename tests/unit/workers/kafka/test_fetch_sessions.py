"""What a fetch of a session names, in each version; and when a session is begun anew."""

import asyncio

import pytest
from aiokafka.errors import FetchSessionIdNotFound, KafkaError
from aiokafka.protocol.fetch import FetchRequest, FetchResponse_v4, FetchResponse_v11

from workers.kafka.fetch_sessions import LAST_EPOCH, FetchingClient, FetchSession, SessionFetch

FETCH = 1
NODE = 7


def asking(**offsets: int) -> FetchRequest:
    return FetchRequest(100, 1, 1000, 1, [("t", [(int(part[1:]), offset, 10) for part, offset in offsets.items()])])


class Answers:
    """What is sent, and the answers to give."""

    def __init__(self, *answers) -> None:
        self.answers, self.sent, self.sessions = [*answers], [], []

    async def send(self, node_id, request):
        assert node_id == NODE
        self.sent.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def named(self):
        """(session, epoch), what is named, what is forgotten; of the last."""
        built = self.sent[-1].prepare({FETCH: (4, 17)})
        topics = [(part, offset) for _, parts in built.topics for part, _, offset, *_ in parts]
        return (built.session_id, built.session_epoch), topics, built.forgotten_topics_data


def answer(session_id=5, *parts, error=0, topic="t"):
    return FetchResponse_v11(
        0, error, session_id, [(topic, [(part, code, 9, 9, 0, [], -1, b"") for part, code in parts])]
    )


def test_a_broker_without_sessions_gets_the_whole_request():
    request = asking(p0=3, p1=4)
    fetch = SessionFetch(request, {("t", 0): (3, 10), ("t", 1): (4, 10)}, FetchSession(5, 2, {("t", 0): (3, 10)}))
    assert fetch.prepare({FETCH: (0, 4)}) == request.prepare({FETCH: (0, 4)})
    assert fetch.prepare({FETCH: (0, 7)}) != request.prepare({FETCH: (0, 7)})


async def test_only_what_is_new_is_named_and_what_is_left_out_is_forgotten():
    broker = Answers(*[answer() for _ in range(3)])
    client = FetchingClient(broker)
    await client.send(NODE, asking(p0=0, p1=0))
    assert broker.named() == ((0, 0), [(0, 0), (1, 0)], [])
    await client.send(NODE, asking(p0=0, p1=3, p2=1))
    assert broker.named() == ((5, 1), [(1, 3), (2, 1)], [])
    await client.send(NODE, asking(p0=0, p2=1))
    assert broker.named() == ((5, 2), [], [("t", [1])])


@pytest.mark.parametrize(
    ("second", "raises"),
    [
        (answer(error=FetchSessionIdNotFound.errno), FetchSessionIdNotFound),
        (KafkaError(), KafkaError),
        (asyncio.CancelledError(), asyncio.CancelledError),
        (answer(5, (8, 0)), KafkaError),
        (answer(5, (0, 0), topic="other"), KafkaError),
        (answer(5, (0, 6)), None),
        (answer(0), None),
        (answer(6), None),
        (FetchResponse_v4(0, []), None),
    ],
)
async def test_a_session_in_doubt_is_begun_anew_with_everything_named(second, raises):
    broker = Answers(answer(), second, answer(9))
    client = FetchingClient(broker)
    await client.send(NODE, asking(p0=0))
    if raises is None:
        assert await client.send(NODE, asking(p0=0)) is second
    else:
        with pytest.raises(raises):
            await client.send(NODE, asking(p0=0))
    await client.send(NODE, asking(p0=0))
    assert broker.named() == ((5, 0), [(0, 0)], [])


async def test_a_session_renewed_while_its_first_fetch_is_under_way_is_ended_by_the_next():
    class Renews(Answers):
        async def send(self, node_id, request):
            found = await super().send(node_id, request)
            if len(self.sent) == 1:
                client.renew()
            return found

    broker = Renews(answer(5), answer(6), answer(6))
    client = FetchingClient(broker)
    await client.send(NODE, asking(p0=0))
    await client.send(NODE, asking(p0=0))
    assert broker.named() == ((5, 0), [(0, 0)], [])
    await client.send(NODE, asking(p0=0))
    assert broker.named() == ((6, 1), [], [])


async def test_a_broker_that_grants_no_session_is_asked_for_everything_each_time():
    broker = Answers(answer(0), answer(0))
    client = FetchingClient(broker)
    for _ in range(2):
        await client.send(NODE, asking(p0=0))
        assert broker.named() == ((0, 0), [(0, 0)], [])


async def test_the_epoch_after_the_last_is_the_second():
    broker = Answers(answer(5), answer(5), answer(5))
    client = FetchingClient(broker)
    await client.send(NODE, asking(p0=0))
    client._sessions[NODE].epoch = LAST_EPOCH
    await client.send(NODE, asking(p0=0))
    await client.send(NODE, asking(p0=0))
    assert broker.named()[0] == (5, 1)


async def test_all_else_is_as_it_was():
    broker = Answers("answer")
    client = FetchingClient(broker)
    assert await client.send(NODE, "request") == "answer"
    assert broker.sent == ["request"]
    assert client.answers == []
