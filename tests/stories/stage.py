"""Plays all stories at once on one platform whose time is that of the messages.

A lane has one time for all its accounts, so the stories of a lane share one timeline: all their steps are sent in the
order of their times, each to its story's own account, and no story sees more than that time passes. Its merchant is at
home on that lane as well: activity of other lanes would bring their time with it. A story is looked at (`account show`)
when its own time has come, before the lane's time goes on.

Only what others can do is done: messages are produced, commands are called, topics are read. A lane waits, until the
lane-log says that everything sent is settled, only

- before it sends to another topic than the last: within one topic order is the broker's, between two it would be luck;
- before a message that was told late, and before it looks at an account;
- before a message that names a debit or payout, which then has been asked for, or never will be.
"""

import asyncio
import contextlib
import heapq
import json
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from contracts.topics import Topic
from tests.command import Command
from tests.platform import Platform
from tests.stories import wire
from tests.stories.follower import LOOK_AT_LOG_S, REQUESTS, Follower
from tests.stories.story import Step, Story
from workers.kafka.homes import home_of

SETTLED_WITHIN_S = 60.0
ALONE = frozenset({"duplicate", "conflict"})
"""Outcomes of which commands tell nothing when the event_id is new: such a message is sent as a batch of its own, so
that the lane-log tells."""
SEEN_WITHIN_S = 15.0
"""An output's topic may show it a moment after the lane-log: each has a commit marker of its own."""


class TroubleError(Exception):
    """A story cannot go on; the message says at which step, and why."""


@dataclass(frozen=True)
class Sent:
    """Where a step's message went."""

    topic: str
    partition: int
    offset: int
    event_id: str
    key: str


@dataclass
class Played:
    """What became of a story. Lists and mappings go by the number of the step."""

    story: Story
    lane: int
    account_id: str
    merchant_id: str
    sent: dict[int, Sent] = field(default_factory=dict)
    accounts: dict[int, Any] = field(default_factory=dict)
    merchants: dict[int, Any] = field(default_factory=dict)
    outcomes: dict[int, str] = field(default_factory=dict)
    outputs: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Topic and body of all outputs for its account and merchant, in the order of their topics."""
    trouble: str | None = None
    """Why it was not played to its end."""
    told_until: int | None = None
    """The step of the trouble."""

    @property
    def parties(self) -> frozenset[str]:
        return frozenset({self.account_id, self.merchant_id})

    @property
    def payee(self) -> tuple[str, str]:
        """Who is meant by the result of a payout that nobody asked for: the buyer, if the story has one."""
        if any(step.kind == "credit_line.opened" for step in self.story.steps):
            return "account", self.account_id
        return "merchant", self.merchant_id

    def number_of(self, word: str, request_id: str) -> str:
        """The number by which the story knows a debit or payout."""
        requests = [body for _, body in self.outputs if body["type"] == REQUESTS[word]]
        ids = [body[f"{word}_id"] for body in requests]
        return str(ids.index(request_id) + 1) if request_id in ids else "unknown"


class Stage:
    """A platform with a worker, and the stories played on it.

    Args:
        made: without a worker.
        executor: processes that call commands.
    """

    def __init__(self, made: Platform, executor: Executor) -> None:
        self.platform = made
        self._postpay = Command(made.environment)
        self._executor = executor

    async def play(self, stories: Sequence[Story]) -> dict[str, Played]:
        """Play stories side by side; what became of each, by its name."""
        cast = self._cast(stories)
        worker = self.platform.worker()
        await worker.says("worker runs")
        async with self.platform.producer(linger_ms=0) as producer, self._follower() as follower:
            timelines = [
                Timeline(lane, [each for each in cast if each.lane == lane], self, producer, follower)
                for lane in range(self.platform.settings.lanes)
            ]
            await asyncio.gather(*[timeline.play() for timeline in timelines])
        code = await worker.stopped()
        assert code == 0, f"the worker ended with {code}:\n{worker.tail()}"
        await self._collect(cast)
        return {each.story.name: each for each in cast}

    async def show(self, kind: str, party_id: str) -> Any:
        """`postpay account show` or `merchant show`; None when nothing is known of it."""
        ran = await self._run(kind, "show", party_id, "--json")
        return json.loads(ran.out) if ran.code == 0 else None

    async def outcome(self, sent: Sent) -> str:
        """What `postpay decision show` says of one record."""
        key = () if sent.topic == Topic.TERMS else ("--key", sent.key)
        ran = await self._run("decision", "show", sent.topic, sent.event_id, *key, "--json")
        if ran.code:
            return "nothing is known of it"
        told = json.loads(ran.out)
        if (told["partition"], told["offset"]) == (sent.partition, sent.offset):
            return outcome_words(told["outcome"], told["reason"])
        repeat = [each for each in told["repeats"] if each["offset"] == sent.offset]
        return repeat[0]["outcome"] if repeat else "nothing is known of it"

    def why_lane_stopped(self, lane: int) -> str:
        """What the worker's log says of a lane that a person has to look at; empty if it says nothing."""
        worker = self.platform.workers[-1]
        if not worker.is_running:
            return f"the worker is gone:\n{worker.tail()}"
        lines = [json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]
        told = [line for line in lines if line.get("lane") == lane and line.get("level") in {"error", "critical"}]
        return "\n".join(str(line.get("detail") or line.get("exception") or line["event"]) for line in told)

    def log(self) -> str:
        """The end of the worker's log."""
        return self.platform.workers[-1].tail()

    async def _run(self, *arguments: str) -> Any:
        return await asyncio.wrap_future(self._postpay.within(self._executor, *arguments))

    def _cast(self, stories: Sequence[Story]) -> list[Played]:
        """Give each story an account of its own, the longest first to the lane that has least to do."""
        lanes = self.platform.settings.lanes
        load = [(0, lane) for lane in range(lanes)]
        cast = []
        for story in sorted(stories, key=lambda each: (-len(each.steps), each.name)):
            steps, lane = heapq.heappop(load)
            heapq.heappush(load, (steps + len(story.steps), lane))
            name = story.name[:60].strip("-")
            cast.append(Played(story, lane, id_on(lane, lanes, f"{name}-buyer"), id_on(lane, lanes, f"{name}-shop")))
        return cast

    @contextlib.asynccontextmanager
    async def _follower(self) -> AsyncIterator[Follower]:
        consumer, looker = (
            AIOKafkaConsumer(
                bootstrap_servers=self.platform.bootstrap,
                isolation_level=level,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                fetch_max_wait_ms=50,
            )
            for level in ("read_committed", "read_uncommitted")
        )
        await asyncio.gather(consumer.start(), looker.start())
        names = (Topic.LANE_LOG, Topic.AUTO_DEBIT, Topic.PAYOUT)
        lanes = range(self.platform.settings.lanes)
        consumer.assign([TopicPartition(self.platform.prefix + name, lane) for name in names for lane in lanes])
        follower = Follower(consumer, looker)
        following = asyncio.create_task(follower.follow())
        try:
            yield follower
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await asyncio.gather(consumer.stop(), looker.stop())

    async def _collect(self, cast: Sequence[Played]) -> None:
        by_party = {party_id: each for each in cast for party_id in each.parties}
        for name in (Topic.AUTO_DEBIT, Topic.LIMIT_RELEASE, Topic.PAYOUT, Topic.NOTIFICATION):
            for record in await self.platform.read(name):
                body = json.loads(record.value)
                # A notice to operators has their key, and says whom it is about.
                about = body.get("params", {}).get("merchant_id", "")
                played = by_party.get(record.key.decode()) or by_party.get(about)
                if played is not None:
                    played.outputs.append((str(name), body))


class Timeline:
    """The stories of one lane, step by step."""

    def __init__(
        self, lane: int, cast: Sequence[Played], stage: Stage, producer: AIOKafkaProducer, follower: Follower
    ) -> None:
        self._lane = lane
        self._cast = cast
        self._stage = stage
        self._producer = producer
        self._follower = follower
        self._ends: dict[str, int] = {}
        """Offset after the last record sent to each topic."""
        self._topic: str | None = None
        self._ticks = 0
        self._stopped = ""
        """Why the lane settles nothing any more."""

    async def play(self) -> None:
        """Send everything. Trouble of one story leaves the others alone; a lane that stops is trouble of all."""
        steps = [
            (step.arrives, wire.topic_of(step.kind) if step.kind else "", number, index)
            for number, played in enumerate(self._cast)
            for index, step in enumerate(played.story.steps)
        ]
        # At one instant topic by topic, because each change of topic has to be waited for.
        for _, _, number, index in sorted(steps):
            played = self._cast[number]
            if played.trouble is None:
                try:
                    await self._take(played, index)
                except TroubleError as trouble:
                    played.trouble, played.told_until = str(trouble), index
                    if not self._stopped:
                        await self._note_outcomes(played)

    async def _take(self, played: Played, index: int) -> None:
        step = played.story.steps[index]
        if step.kind is None:
            await self._tick(step.arrives)
        else:
            await self._send_step(played, index, step)
        if played.story.has_both and (step.kind is None or wire.topic_of(step.kind) not in wire.OF_MERCHANTS):
            await self._settle()
            await self._settle_activity()
        if step.account is not None or step.merchant is not None:
            await self._settle()
            await self._look(played, index, step)

    async def _send_step(self, played: Played, index: int, step: Step) -> None:
        if step.arrives > step.at:
            await self._pass_time(step.arrives)
        if step.answers is not None:
            await self._wait_for_request(played, *step.answers, step.arrives)
        topic, key, document = self._message(played, index, step)
        if step.becomes in ALONE:
            await self._settle()
        sent = await self._send(topic, key, document)
        played.sent[index] = sent
        if step.becomes in ALONE:
            await self._settle()
            outcome = self._follower.lone.get((sent.partition, sent.topic, sent.offset))
            if outcome is not None:
                played.outcomes[index] = outcome

    def _message(self, played: Played, index: int, step: Step) -> tuple[str, str, dict[str, Any]]:
        """Topic, key and body of what a step sends, with the ids that its story leaves out."""

        def requested(word: str, number: int) -> dict[str, Any]:
            return self._follower.requested(word, played.parties)[number - 1]

        kind = step.kind or ""
        topic = wire.topic_of(kind)
        words = dict(step.words)
        event_id = words.pop("event", f"e{index}")
        if topic == Topic.TERMS:  # of no party: the stories of a lane share its event ids
            event_id = f"{played.account_id}-{event_id}"
        fields = wire.body(kind, words, requested)
        if kind in wire.NAMED_BY_STEP:
            name = wire.NAMED_BY_STEP[kind]
            fields.setdefault(name, f"{name.removesuffix('_id')}-{index}")
        if kind in {"purchase.placed", "shop.settings_changed"}:
            fields.setdefault("merchant_id", played.merchant_id)
        if kind.startswith("payout."):
            kind_of_payee, payee_id = played.payee
            fields.setdefault("payee_kind", kind_of_payee)
            key = fields.setdefault("payee_id", payee_id)
        elif topic in wire.OF_MERCHANTS:
            key = fields.setdefault("merchant_id", played.merchant_id)
        elif topic == Topic.TERMS:
            key = fields["merchant_id"]
        else:
            key = fields.setdefault("account_id", played.account_id)
        return topic, key, {"event_id": event_id, "type": kind, "occurred_at": step.at.isoformat()} | fields

    async def _tick(self, until: datetime) -> None:
        self._ticks += 1
        tick = {"event_id": f"tick-{self._ticks}", "type": "clock.ticked", "occurred_at": until.isoformat()}
        await self._send(Topic.CLOCK, "tick", tick)

    async def _pass_time(self, until: datetime) -> None:
        """Let the lane's time go on to an instant, and wait until everything due by then has happened."""
        await self._tick(until)
        await self._settle()

    async def _wait_for_request(self, played: Played, word: str, number: int, at: datetime) -> None:
        def found() -> int:
            return len(self._follower.requested(word, played.parties))

        if found() >= number:
            return
        await self._pass_time(at)
        if not await self._follower.until(lambda: found() >= number, SEEN_WITHIN_S):
            raise TroubleError(
                f"at {wire.said_moment(at)} the story names {word} {number}, but only {found()} had been requested"
            )

    async def _send(self, topic: str, key: str, document: dict[str, Any]) -> Sent:
        if topic != self._topic:
            await self._settle()
        self._topic = topic
        put = await self._producer.send_and_wait(
            self._stage.platform.prefix + topic, json.dumps(document).encode(), key=key.encode(), partition=self._lane
        )
        self._ends[topic] = put.offset + 1
        return Sent(topic, self._lane, put.offset, document["event_id"], key)

    async def _settle(self) -> None:
        def reached() -> bool:
            return all(self._follower.settled[self._lane, topic] >= end for topic, end in self._ends.items())

        deadline = time.monotonic() + SETTLED_WITHIN_S
        while not self._stopped and not reached():
            if await self._follower.until(reached, LOOK_AT_LOG_S):
                return
            self._stopped = self._stage.why_lane_stopped(self._lane)
            if not self._stopped and time.monotonic() > deadline:
                self._stopped = (
                    f"it settled nothing for {SETTLED_WITHIN_S:.0f} s; its worker says:\n{self._stage.log()}"
                )
        if self._stopped:
            raise TroubleError(f"lane {self._lane} stopped, perhaps for another of its stories: {self._stopped}")

    async def _settle_activity(self) -> None:
        """Wait until the lane has settled what it sent to itself about merchants."""
        tp = TopicPartition(self._stage.platform.prefix + Topic.MERCHANT_ACTIVITY, self._lane)
        if not await self._follower.until_all_settled(tp, Topic.MERCHANT_ACTIVITY, SETTLED_WITHIN_S):
            raise TroubleError(f"lane {self._lane} did not settle its merchants' activity")

    async def _look(self, played: Played, index: int, step: Step) -> None:
        """Ask how it stands; at the last step also what became of each message."""
        if step.account is not None:
            played.accounts[index] = await self._stage.show("account", played.account_id)
        if step.merchant is not None:
            played.merchants[index] = await self._stage.show("merchant", played.merchant_id)
        if index == len(played.story.steps) - 1:
            await self._note_outcomes(played)

    async def _note_outcomes(self, played: Played) -> None:
        """Note what became of each message: out of the histories, else `decision show` is asked."""
        last = len(played.story.steps) - 1
        kinds = {step.kind for step in played.story.steps}
        if "credit_line.opened" in kinds and last not in played.accounts:
            played.accounts[last] = await self._stage.show("account", played.account_id)
        if "merchant.registered" in kinds and last not in played.merchants:
            played.merchants[last] = await self._stage.show("merchant", played.merchant_id)
        shown = [played.accounts.get(last), played.merchants.get(last)]
        histories = [each for story in shown if story is not None for each in story["history"]]
        history = {(each["topic"], each["event_id"]): each for each in histories}
        used = [(sent.topic, sent.event_id) for sent in played.sent.values()]
        for index, sent in played.sent.items():
            told = history.get((sent.topic, sent.event_id))
            if index in played.outcomes:
                continue
            if told is not None and used.count((sent.topic, sent.event_id)) == 1:
                played.outcomes[index] = outcome_words(told["outcome"], told["reason"])
            else:
                played.outcomes[index] = await self._stage.outcome(sent)


def outcome_words(outcome: str, reason: str | None) -> str:
    """An outcome as stories write it: `applied`, `declined: too_late`."""
    return f"{outcome}: {reason}" if reason else outcome


def id_on(lane: int, lanes: int, name: str) -> str:
    """An id that begins with a name and is at home on a lane."""
    number = 1
    while home_of(f"{name}-{number}", lanes) != lane:
        number += 1
    return f"{name}-{number}"
