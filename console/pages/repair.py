"""What operators do with dead letters: check, redrive, close, reopen; one by one or in bulk.

An edited message needs a second person: it is asked for, and sent when somebody approves.
"""

import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from console import queries
from console.access import Permission
from console.pages.dead_letters import LETTER_PATH, PATH, STATES, body_shown, letter_filter
from console.queries import FILTERS
from console.rendering import link
from console.routes import Asked, AskedWronglyError, Done, Form
from operating import approvals, bulk, closing
from operating.bulk import BulkStep
from operating.differences import FieldDifference, differences
from operating.edits import Edit, edited_body
from operating.redriving import RedriveStatus
from operating.refusal import ActionRefusedError
from operating.rehearsal import Foreseen
from operating.selection import Selection, selection
from settlement.dead_letter import DeadLetter
from storage import dead_letters
from storage.approvals import ApprovalRequest
from storage.database import Connection
from storage.dead_letters import KeptLetter
from storage.operator_log import Because
from storage.outcome_search import ANY, PageEnd
from workers.settings.model import Settings

EDITED_REDRIVE = "edited_redrive"
"""The kind of request."""

WHERE = "where."
"""Before the names of a filter's fields in a form, where `reason` is why somebody acts."""

BULK_BUDGET_S = 5.0
"""Steps are made for so long, then the browser is told how far it is; it goes on by the next request."""

TOLD = 20
"""Dead letters of a bulk that are told one by one, where something is wrong with them."""

FINE = bulk.FINE | {*closing.ClosingStatus}

NOTHING_FORESEEN = asdict(Foreseen(outcome=""))


async def check(asked: Asked) -> Done:
    """Say what would become of a dead letter now, as it came or edited; nothing is sent."""
    kept = await _letter(asked)
    edit = _edit(asked, kept)
    foreseen = await _rehearsed(asked, kept, edit)
    return Done(checked(foreseen, edit, _differences(kept.letter, edit)), template="letter_check")


def checked(foreseen: Mapping[str, Any], edit: Edit | None, found: list[FieldDifference]) -> dict[str, Any]:
    """What a check is shown with; of what is not sent at all, nothing is foreseen."""
    told = {**NOTHING_FORESEEN, **foreseen, "is_edited": edit is not None, "differences": found}
    return {**told, "reason_code": told.pop("reason")}


async def redrive(asked: Asked) -> Done:
    """Send one again as it came."""
    kept = await _letter(asked)
    chosen = await selection(asked.connection, [kept.letter.dead_letter_id], ANY)
    done = await _only(bulk.redriven(asked.connection, asked.settings, chosen, asked.because()))
    if done["status"] in {RedriveStatus.REFUSED, RedriveStatus.FAILED, RedriveStatus.CLOSED}:
        raise ActionRefusedError(done["detail"])
    return Done(done, to=_address(kept), notice=f"notice_{done['status']}")


async def ask(asked: Asked) -> Done:
    """Ask for an edited redrive; it is checked at once, and again when it is approved."""
    kept = await _letter(asked)
    edit = _edit(asked, kept)
    if edit is None or edit.body is None:
        raise ActionRefusedError("expected a message that was changed: what is sent as it came needs no second person")
    foreseen = await _rehearsed(asked, kept, edit)
    if foreseen["status"] not in FINE or foreseen["status"] in {*RedriveStatus}:
        raise ActionRefusedError(foreseen["detail"] or foreseen["status"])
    document = {
        "body": edit.body.decode(),
        "key": edit.key,
        "differences": [asdict(each) for each in _differences(kept.letter, edit)],
    }
    request = await approvals.ask(
        asked.connection, EDITED_REDRIVE, kept.letter.dead_letter_id, document, asked.because()
    )
    return Done({"entry": request.entry}, to=_address(kept), notice="notice_asked")


async def carry_out(
    connection: Connection, settings: Settings, request: ApprovalRequest, because: Because
) -> Mapping[str, Any]:
    """Redrive a dead letter as it was edited in the request that was approved."""
    edit = Edit(body=request.document["body"].encode(), key=request.document["key"])
    chosen = await selection(connection, [request.subject], ANY)
    done = await _only(bulk.redriven(connection, settings, chosen, because, edit))
    if done["status"] != RedriveStatus.REDRIVEN:
        raise ActionRefusedError(done["detail"] or done["status"])
    return done


async def close(asked: Asked) -> Done:
    """Close one."""
    return await _change(asked, closing.close)


async def reopen(asked: Asked) -> Done:
    """Open one again that was closed."""
    return await _change(asked, closing.reopen)


async def _change(asked: Asked, change: Callable[..., Any]) -> Done:
    kept = await _letter(asked)
    (done,) = await change(asked.connection, [kept], asked.because())
    return Done(done.document(), to=_address(kept), notice=f"notice_{done.status}")


class BulkPlace(NamedTuple):
    """How far a bulk by filter is, between two requests: the fields of its selection, and what was counted."""

    until: tuple[int, ...]
    after: PageEnd | None
    total: int
    counts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Bulk:
    """How far a bulk is: what is done with which dead letters, and how those that it came to ended."""

    what: str
    chosen: Selection
    given: Mapping[str, str]
    total: int
    counts: Counter[str]

    @property
    def token(self) -> str:
        """What the next request goes on from."""
        progress = BulkPlace((*self.chosen.until,), self.chosen.after, self.total, (*sorted(self.counts.items()),))
        return queries.token(progress)


async def go_through(asked: Asked) -> Done:
    """Go through dead letters in bulk for a moment, then say how far it is; `going` is from where.

    `what` is done with those that are marked by fields `id.…`, or with all open ones that agree with a filter, whose
    fields are `where.…`; `reason` is why.
    """
    before = await _bulk(asked)
    because = asked.because()
    begun, chosen = time.monotonic(), before.chosen
    counts, is_over = Counter(before.counts), True
    wrong: list[dict[str, Any]] = []
    async with aclosing(_going(asked, before, because)) as steps:
        async for step in steps:
            counts.update(each["status"] for each in step.documents)
            wrong += [each for each in step.documents if each["status"] not in FINE]
            chosen = replace(chosen, after=step.place)
            if not chosen.ids and time.monotonic() - begun > BULK_BUDGET_S:
                is_over = counts.total() >= before.total
                break
    after = replace(before, chosen=chosen, counts=counts)
    value = {
        "what_code": before.what,
        "total": before.total,
        "done_count": counts.total(),
        "states": [{"state": state, "count": number} for state, number in sorted(counts.items())],
        "wrong": wrong[:TOLD],
        "given": before.given,
        "reason": because.reason,
        "going": None if is_over else after.token,
        "look": link(PATH, **before.given),
    }
    return Done(value, template="letters_bulk")


async def _bulk(asked: Asked) -> Bulk:
    query = asked.query
    what = queries.choice(query, "what", ("rehearse", "redrive", "close"), "rehearse") or "rehearse"
    ids = sorted(name.removeprefix("id.") for name in query if name.startswith("id."))
    where = {name.removeprefix(WHERE): value for name, value in query.items() if name.startswith(WHERE)}
    given = queries.given(where, FILTERS)
    wanted = ANY if ids else letter_filter(given)
    if not ids and wanted == ANY:
        raise ActionRefusedError(
            "expected a filter, such as a reason, or marked dead letters: everything is never meant"
        )
    going = queries.place(query, BulkPlace, "going")
    chosen = await selection(asked.connection, ids, wanted, is_open=STATES["open"])
    if going is None:
        return Bulk(what, chosen, given, await chosen.count(asked.connection), Counter())
    chosen = replace(chosen, until=going.until, after=going.after)
    return Bulk(what, chosen, given, going.total, Counter(dict(going.counts)))


def _going(asked: Asked, wanted: Bulk, because: Because) -> AsyncGenerator[BulkStep, None]:
    match wanted.what:
        case "redrive":
            return bulk.redriven(asked.connection, asked.settings, wanted.chosen, because)
        case "close":
            return bulk.closed(asked.connection, wanted.chosen, because)
    return bulk.rehearsed(asked.connection, asked.settings, wanted.chosen)


async def _rehearsed(asked: Asked, kept: KeptLetter, edit: Edit | None) -> dict[str, Any]:
    chosen = await selection(asked.connection, [kept.letter.dead_letter_id], ANY)
    return await _only(bulk.rehearsed(asked.connection, asked.settings, chosen, edit))


async def _only(steps: AsyncGenerator[BulkStep, None]) -> dict[str, Any]:
    """What became of the one dead letter that was gone through."""
    (only,) = [each async for step in steps for each in step.documents]
    return only


async def _letter(asked: Asked) -> KeptLetter:
    dead_letter_id = queries.text(asked.query, "id") or ""
    kept = await dead_letters.dead_letter(asked.connection, dead_letter_id)
    if kept is None:
        raise AskedWronglyError(f"expected the id of a dead letter, got {dead_letter_id!r}")
    return kept


def _edit(asked: Asked, kept: KeptLetter) -> Edit | None:
    """What was changed in the page; None where nothing was."""
    body, key = asked.query.get("body"), asked.query.get("key")
    unchanged = body_shown(kept.letter)
    is_same = body is None or body.replace("\r\n", "\n") == unchanged
    old_key = (kept.letter.key or b"").decode(errors="replace")
    if is_same and (key is None or key == old_key):
        return None
    text = unchanged if body is None else body
    return Edit(body=text.encode(errors="backslashreplace"), key=key or None)


def _differences(letter: DeadLetter, edit: Edit | None) -> list[FieldDifference]:
    if edit is None or letter.raw is None:
        return []
    try:
        return differences(letter.raw, edited_body(letter, edit))
    except (ValueError, RecursionError, ActionRefusedError):  # what came, or what it was changed to, is no object
        return []


def _address(kept: KeptLetter) -> str:
    return link(LETTER_PATH, id=kept.letter.dead_letter_id)


FORMS = (
    Form("letter_check", f"{LETTER_PATH}/check", check, Permission.REPAIR),
    Form("letter", f"{LETTER_PATH}/redrive", redrive, Permission.REPAIR),
    Form("letter", f"{LETTER_PATH}/request", ask, Permission.REQUEST),
    Form("letter", f"{LETTER_PATH}/close", close, Permission.REPAIR),
    Form("letter", f"{LETTER_PATH}/reopen", reopen, Permission.REPAIR),
    Form("letters_bulk", f"{PATH}/bulk", go_through, Permission.REPAIR),
)
