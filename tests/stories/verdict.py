"""Whether a story went as told: what was expected and what was found, in the same words, line by line."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Any

from tests.stories import wire
from tests.stories.stage import Played
from tests.stories.story import FOLLOWING, Following, Step

TOPICS = ("auto-debit", "limit-release", "payout", "notification")
"""In which order outputs of one step are compared; between topics there is none, and none between notices."""
WORDS = {
    "auto_debit.requested": ("amount", "due", "attempt", "reason", "orders"),
    "auto_debit.cancelled": ("debit", "reason"),
    "limit.released": ("order", "amount", "reason", "available", "limit"),
    "limit.reclaimed": ("amount", "reason", "available", "limit"),
    "limit.restored": ("amount", "reason", "available", "limit"),
    "payout.requested": ("amount", "reason", "route"),
}
"""The words in which an output is told that no story expected."""
OWED = ("principal", "fee", "penalty")
OBLIGATION = ("due", "principal", "fee", "penalty", "paid", "status")
_SIMPLE = {"credit": "customer_credit"}


def difference(played: Played) -> str:
    """What differs between a story and what happened: a text with - for expected and + for found, or an empty one."""
    expected, found = list(_expected(played)), list(_found(played))
    if expected == found and played.trouble is None:
        return ""
    compared = "\n".join(line.rstrip() for line in difflib.ndiff(expected, found) if not line.startswith("?"))
    trouble = f"\nIt was not played to its end: {played.trouble}\n" if played.trouble else ""
    return f"\n{played.story.title} ({played.story.file})\n{trouble}\n- expected   + found\n\n{compared}"


def _expected(played: Played) -> Iterator[str]:
    for index, step in _played_steps(played):
        yield head(step)
        if step.becomes is not None:
            yield f"    {step.becomes}"
        for topic in TOPICS:
            for following in _following(step, topic):
                yield f"    {_told(following)}"
        if step.account is not None:
            yield from _indented(account_lines(step.account, played.accounts.get(index) or {}, None))
        if step.merchant is not None:
            yield from _indented(_merchant_lines(step.merchant, played.merchants.get(index) or {}, None))


def _played_steps(played: Played) -> list[tuple[int, Step]]:
    return list(enumerate(played.story.steps))[: played.told_until]


def _found(played: Played) -> Iterator[str]:
    for index, step in _played_steps(played):
        yield head(step)
        if step.becomes is not None:
            yield f"    {played.outcomes.get(index, 'not known')}"
        found = _outputs_of(played, index)
        for topic in TOPICS:
            for following, body in zip_longest(_following(step, topic), found[topic]):
                if body is not None:
                    yield f"    {_seen(following, body, played)}"
        if step.account is not None:
            yield from _indented(account_lines(step.account, played.accounts.get(index) or {}, played))
        if step.merchant is not None:
            yield from _indented(_merchant_lines(step.merchant, played.merchants.get(index) or {}, played))


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"    {line}" for line in lines)


def head(step: Step) -> str:
    """The line a step begins with."""
    when = wire.said_moment(step.at)
    late = f", told {wire.said_moment(step.arrives)}" if step.arrives > step.at else ""
    return f"{when}{late}  {step.kind} {words(step.words)}".rstrip() if step.kind else f"{when}  time passes"


def words(told: Mapping[str, Any]) -> str:
    """Words and what they say, in one line."""
    return ", ".join(f"{word} {_text(content)}" for word, content in told.items())


def _text(content: Any) -> str:
    if isinstance(content, Mapping):
        return "{" + words(content) + "}"
    return (
        "[" + ", ".join(map(_text, content)) + "]"
        if isinstance(content, Sequence | set) and not isinstance(content, str)
        else str(content)
    )


def _outputs_of(played: Played, index: int) -> Mapping[str, list[dict[str, Any]]]:
    """By topic what followed from a step: all that happened after the step before, up to its own instant."""
    steps = played.story.steps
    after = steps[index - 1].arrives if index else None
    outputs: dict[str, list[dict[str, Any]]] = {topic: [] for topic in TOPICS}
    for topic, body in played.outputs:
        at = datetime.fromisoformat(body["occurred_at"])
        is_told = body.get("template") not in played.story.not_told
        if (after is None or after < at) and at <= steps[index].arrives and is_told:
            outputs[topic].append(body)
    outputs["notification"].sort(key=lambda body: (str(body["template"]), str(body["recipient_kind"])))
    return outputs


def _following(step: Step, topic: str) -> list[Following]:
    following = [each for each in step.then if FOLLOWING[each.what][0] == topic]
    return sorted(following, key=lambda each: (each.template, each.words.get("to", "")))


def _name(following: Following) -> str:
    return f"{following.what} {following.template}".rstrip()


def _told(following: Following) -> str:
    return f"{_name(following)}: " + words(_canonical(following.words))


def _canonical(told: Mapping[str, Any]) -> dict[str, Any]:
    """What is told, amounts written alike."""
    return {word: wire.expected(word, content) for word, content in told.items()}


def _seen(following: Following | None, body: Mapping[str, Any], played: Played) -> str:
    """An output in the words that the story chose for it; one that nobody expected in all words that matter."""
    what = next(what for what, (_, kind) in FOLLOWING.items() if kind == body["type"])
    fields = _fields(body)
    is_expected = following is not None and _name(following) == f"{what} {body.get('template', '')}".rstrip()
    if following is not None and is_expected:
        chosen: Sequence[str] = tuple(following.words)
    elif body["type"] == "notification.requested":
        chosen = [re.sub(r"_(minor|id|on)$", "", word) for word in body["params"] if word != "currency"]
    else:
        chosen = WORDS[body["type"]]
    name = f"{what} {body.get('template', '')}".rstrip()
    return f"{name}: " + words({word: wire.said(word, fields, played.number_of) for word in chosen})


def _fields(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return body["params"] | {"to": body["recipient_kind"]} if "params" in body else body


def account_lines(told: Mapping[str, Any], shown: Mapping[str, Any], played: Played | None) -> Iterator[str]:
    """What a story says of an account, as told (`played` None) or as shown, one line each."""
    for word, content in told.items():
        match word:
            case "orders":
                yield from _orders(content, shown, played)
            case "owed":
                owed = shown.get("owed", {})
                yield f"owed {_amounts(dict.fromkeys(OWED, '0') | content, owed, OWED, played)}"
            case "returns":
                statuses = {each["return_id"]: each["status"] for each in shown.get("returns", [])}
                yield f"returns {words(dict(content) if played is None else statuses)}"
            case "debits":
                yield f"debits {_debits(content, shown, played)}"
            case "payouts":
                yield f"payouts {_payouts(content, shown, played)}"
            case "freeze":
                reasons = content if played is None else shown.get("freeze_reasons", [])
                yield f"freeze {_text(sorted(reasons))}"
            case "cash outs":
                yield from _cash_outs(content, shown, played)
            case "other":
                yield from _obligations("other", content, shown.get("other_obligations", []), played)
            case _:
                name = _SIMPLE.get(word, word)
                found = content if played is None else wire.said(name, shown, played.number_of)
                yield words({word: wire.expected(word, content) if played is None else found})


def _amounts(told: Mapping[str, Any], shown: Mapping[str, Any], names: Sequence[str], played: Played | None) -> str:
    if played is None:
        return words({name: wire.expected(name, told[name]) for name in names})
    return words({name: wire.said(name, shown, played.number_of) for name in names})


def _orders(told: Mapping[str, Any], shown: Mapping[str, Any], played: Played | None) -> Iterator[str]:
    found = {each["order_id"]: each for each in shown.get("orders", [])}
    if played is not None:
        for order_id in found.keys() - told.keys():
            yield f"order {order_id}: {found[order_id]['status']}"
    for order_id, content in told.items():
        wanted = {"status": content} if isinstance(content, str) else dict(content)
        obligations = wanted.pop("obligations", None)
        order = found.get(order_id)
        if played is None:
            yield f"order {order_id}: {words(_canonical(wanted))}"
        elif order is not None:
            yield f"order {order_id}: {words({name: wire.said(name, order, played.number_of) for name in wanted})}"
        if obligations is not None:
            shown_ones = order["obligations"] if order is not None else []
            yield from _obligations(order_id, obligations, shown_ones, played)


def _obligations(
    of: str, told: Sequence[Mapping[str, Any]], shown: Sequence[Mapping[str, Any]], played: Played | None
) -> Iterator[str]:
    lines = []
    if played is None:
        zeros = dict.fromkeys(OBLIGATION, "0")
        lines = [words(_canonical({name: (zeros | each)[name] for name in OBLIGATION})) for each in told]
    else:
        lines = [words({word: wire.said(word, each, played.number_of) for word in OBLIGATION}) for each in shown]
    for line in lines:
        yield f"    {of}: {line}"


def _debits(told: Sequence[Any], shown: Mapping[str, Any], played: Played | None) -> str:
    if played is None:
        return _text([_canonical(each) if isinstance(each, Mapping) else each for each in told])
    found = shown.get("debits", [])
    if told and isinstance(told[0], Mapping):
        chosen = [
            list(each) if isinstance(each, Mapping) else list(WORDS["auto_debit.requested"])[:3]
            for each, _ in zip_longest(told, found)
        ]
        return _text(
            [
                {word: wire.said(word, each, played.number_of) for word in names}
                for each, names in zip(found, chosen, strict=False)
            ]
        )
    return _text([each["status"] for each in found])


def _payouts(told: Sequence[str], shown: Mapping[str, Any], played: Played | None) -> str:
    return _text(told if played is None else [each["status"] for each in shown.get("payouts", [])])


def _cash_outs(told: Mapping[str, Any], shown: Mapping[str, Any], played: Played | None) -> Iterator[str]:
    found = {each["cash_out_id"]: each for each in shown.get("cash_outs", [])}
    for name, obligations in told.items() if played is None else ():
        yield f"cash-out {name}:"
        yield from _obligations(name, obligations, [], None)
    for name, each in found.items() if played is not None else ():
        yield f"cash-out {name}:"
        yield from _obligations(name, [], each["obligations"], played)


def _merchant_lines(told: Mapping[str, Any], shown: Mapping[str, Any], played: Played | None) -> Iterator[str]:
    """What a story says of a merchant, as told (`played` None) or as shown, one line each."""
    for word, content in told.items():
        match word:
            case "deposits":
                yield from _things("deposit", content, shown.get("deposits", []), "left", played)
            case "refunds":
                yield from _things("refund", content, shown.get("deposit_refunds", []), "status", played)
            case "payouts":
                yield f"payouts {_payouts(content, shown, played)}"
            case "balances":
                payable = {each["currency"]: wire.money(each["payable_minor"]) for each in shown.get("balances", [])}
                yield f"balances {words(_canonical(content) if played is None else payable)}"
            case "next_payout":
                at = shown.get("next_payout_at")
                found = wire.said_moment(datetime.fromisoformat(at)) if at else "nothing"
                yield f"next payout {content if played is None else found}"
            case "cases":
                found = [f"{each['kind']} {each['case_id']}" for each in shown.get("open_cases", [])]
                yield f"cases {_text(content if played is None else found)}"
            case "open":
                found = {name: str(number) for name, number in shown.get("open", {}).items() if number}
                yield f"open {words(dict(content) if played is None else found)}"
            case _:
                found = content if played is None else wire.said(word, shown, played.number_of)
                yield words({word: wire.expected(word, content) if played is None else found})


def _things(
    name: str, told: Mapping[str, Any], shown: Sequence[Mapping[str, Any]], main: str, played: Played | None
) -> Iterator[str]:
    """Deposits or refunds by their ids; one that is told by a single word is told by its main one."""
    wanted = {key: {main: content} if isinstance(content, str) else content for key, content in told.items()}
    if played is None:
        for key, content in wanted.items():
            yield f"{name} {key}: {words(_canonical(content))}"
        return
    for each in shown:
        key = each["request_id" if name == "refund" else "deposit_id"]
        chosen = {word: wire.said(word, each, played.number_of) for word in wanted.get(key, {main: ""})}
        yield f"{name} {key}: {words(chosen)}"
