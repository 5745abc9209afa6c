"""Says of each conflict and dead letter that there is one: what it is and where it lies, and nothing that was sent.

Lines are bounded, for a producer that makes a mistake makes it in every message. The metrics count them all, and
`postpay conflicts` and `postpay dead-letters` list them.
"""

from settlement.batch import Settled
from settlement.dead_letter import DeadLetter, DeadLetterReason
from settlement.decision import Outcome
from workers import logs
from workers.counted import type_of
from workers.lanes.deciding import Decided

CONFLICT = "conflict: the id came with other content before"
DEAD_LETTER = "dead letter: this could not be understood or matched"
DEFECT = "dead letter: a defect of postpay, please tell the maintainers"
TIMER_FAILED = "a timer failed by a defect of postpay, please tell the maintainers"


class Teller:
    """Of one worker, for all its lanes."""

    def __init__(self) -> None:
        self._lines = logs.Bounded(logs.get(__name__))

    def tell(self, lane: int, decided: Decided) -> None:
        """Go through a batch that is committed."""
        for settled in decided.results:
            if settled.decision.outcome is Outcome.CONFLICT:
                self._conflict(lane, settled)
            elif settled.decision.outcome is Outcome.DEAD_LETTERED:
                assert settled.dead_letter is not None
                self._dead_letter(lane, settled.dead_letter)
        for letter in decided.rejected:
            self._dead_letter(lane, letter)

    def _conflict(self, lane: int, settled: Settled) -> None:
        message = settled.input
        assert message is not None  # timers have no content to differ in
        self._lines.write(
            CONFLICT,
            lane=lane,
            topic=message.source.topic,
            partition=message.source.partition,
            offset=message.source.offset,
            type=message.type,
            event_id=message.event_id,
        )

    def _dead_letter(self, lane: int, letter: DeadLetter) -> None:
        if letter.source is None:
            self._lines.write(TIMER_FAILED, level="error", lane=lane, type=letter.type, reason=letter.reason.value)
            return
        is_defect = letter.reason is DeadLetterReason.INTERNAL_ERROR
        self._lines.write(
            DEFECT if is_defect else DEAD_LETTER,
            level="error" if is_defect else "warning",
            lane=lane,
            topic=letter.source.topic,
            partition=letter.source.partition,
            offset=letter.source.offset,
            type=type_of(letter.type),
            reason=letter.reason.value,
        )
