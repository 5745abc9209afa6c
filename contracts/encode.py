"""From the core's outputs to Kafka records with CloudEvents headers.

Source: docs/messages.md, Output messages and Headers.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import to_json

from contracts import headers
from contracts import outputs as wire
from contracts.instants import format_instant
from contracts.records import OutgoingMessage
from contracts.topics import Topic
from settlement import outputs
from settlement.outputs import Output, OutputBody


def encode(output: Output, traceparent: str | None = None) -> OutgoingMessage:
    """Write an output message; `traceparent` is that of the input that caused it."""
    body = output.body
    topic, fields = WRITERS[type(body)]
    occurred_at = format_instant(output.occurred_at)
    message: dict[str, Any] = {
        "event_id": output.event_id,
        "type": body.type,
        "occurred_at": occurred_at,
        "causation_id": output.causation_id,
        "version": wire.VERSION,
    }
    message.update(fields(body))
    return OutgoingMessage(
        topic,
        output.party.id.encode(),
        to_json(message),
        cloud_event(output.event_id, _TYPES[type(body)], occurred_at, traceparent),
    )


def cloud_event(event_id: str, kind: bytes, occurred_at: str, traceparent: str | None) -> tuple[tuple[str, bytes], ...]:
    """Headers of every output: CloudEvents, Kafka binding; the lane's time is `ce_time`."""
    common = (
        ("ce_id", event_id.encode()),
        ("ce_type", kind),
        _CE_SOURCE,
        ("ce_time", occurred_at.encode()),
        _CE_SPECVERSION,
        _CONTENT_TYPE,
    )
    return common if traceparent is None else (*common, (headers.TRACEPARENT, traceparent.encode()))


def _auto_debit_requested(body: outputs.AutoDebitRequested) -> Mapping[str, Any]:
    return {
        "account_id": body.account_id,
        "debit_id": body.debit_id,
        "amount_minor": body.amount_minor,
        "currency": body.currency,
        "order_ids": body.order_ids,
        "due_on": body.due_on.isoformat(),
        "attempt": body.attempt,
        "reason": body.reason,
    }


def _auto_debit_cancelled(body: outputs.AutoDebitCancelled) -> Mapping[str, Any]:
    return {"account_id": body.account_id, "debit_id": body.debit_id, "reason": body.reason}


def _limit_released(body: outputs.LimitReleased) -> Mapping[str, Any]:
    fields: dict[str, Any] = {"account_id": body.account_id}
    if body.order_id is not None:
        fields["order_id"] = body.order_id
    fields.update(_limit_change(body))
    return fields


def _limit_moved(body: outputs.LimitReclaimed | outputs.LimitRestored) -> Mapping[str, Any]:
    return {"account_id": body.account_id, **_limit_change(body)}


def _limit_change(body: outputs.LimitReleased | outputs.LimitReclaimed | outputs.LimitRestored) -> Mapping[str, Any]:
    return {
        "amount_minor": body.amount_minor,
        "currency": body.currency,
        "reason": body.reason,
        "available_minor": body.available_minor,
        "limit_minor": body.limit_minor,
    }


def _notification_requested(body: outputs.NotificationRequested) -> Mapping[str, Any]:
    chinese, english = body.text
    return {
        "notification_id": body.notification_id,
        "recipient_kind": body.recipient_kind,
        "recipient_id": body.recipient_id,
        "template": body.template,
        "params": body.params,
        "text": {"zh-CN": chinese, "en": english},
    }


def _payout_requested(body: outputs.PayoutRequested) -> Mapping[str, Any]:
    return {
        "payout_id": body.payout_id,
        "payee_kind": body.payee_kind.value,
        "payee_id": body.payee_id,
        "amount_minor": body.amount_minor,
        "currency": body.currency,
        "route": body.route,
        "reason": body.reason,
    }


def _merchant_activity(body: outputs.MerchantActivityRecorded) -> Mapping[str, Any]:
    return {
        "merchant_id": body.merchant_id,
        "currency": body.currency,
        "payable_minor": body.payable_minor,
        "after_sales": body.after_sales,
    }


WRITERS: dict[type[OutputBody], tuple[str, Callable[[Any], Mapping[str, Any]]]] = {
    outputs.AutoDebitRequested: (Topic.AUTO_DEBIT.value, _auto_debit_requested),
    outputs.AutoDebitCancelled: (Topic.AUTO_DEBIT.value, _auto_debit_cancelled),
    outputs.LimitReleased: (Topic.LIMIT_RELEASE.value, _limit_released),
    outputs.LimitReclaimed: (Topic.LIMIT_RELEASE.value, _limit_moved),
    outputs.LimitRestored: (Topic.LIMIT_RELEASE.value, _limit_moved),
    outputs.NotificationRequested: (Topic.NOTIFICATION.value, _notification_requested),
    outputs.PayoutRequested: (Topic.PAYOUT.value, _payout_requested),
    outputs.MerchantActivityRecorded: (Topic.MERCHANT_ACTIVITY.value, _merchant_activity),
}
"""Topic and translation of each output."""

_TYPES = {body: body.type.encode() for body in WRITERS}
_CE_SOURCE = ("ce_source", wire.SOURCE.encode())
_CE_SPECVERSION = ("ce_specversion", b"1.0")
_CONTENT_TYPE = ("content-type", b"application/json")
