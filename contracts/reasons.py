"""Why an input record ends as a dead letter. Codes are public: they change only by adding.

Source: docs/messages.md, Reason codes.
"""

from enum import StrEnum


class RejectReason(StrEnum):
    """Reason codes of dead letters, in the order in which a record is checked."""

    BAD_ORIGIN = "bad_origin"
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    BYTE_ORDER_MARK = "byte_order_mark"
    NUL = "nul"
    BAD_UTF8 = "bad_utf8"
    NOT_JSON = "not_json"
    TOO_DEEP = "too_deep"
    LONE_SURROGATE = "lone_surrogate"
    DUPLICATE_KEY = "duplicate_key"
    WRONG_SHAPE = "wrong_shape"
    UNKNOWN_TYPE = "unknown_type"
    BAD_VERSION = "bad_version"
    MISSING_FIELD = "missing_field"
    WRONG_FIELD = "wrong_field"
    KEY_MISMATCH = "key_mismatch"
    # Found later than by decoding.
    MISROUTED = "misrouted"
    TIME_JUMP = "time_jump"
    TERMS_INVALID = "terms_invalid"
    CALENDAR_UNKNOWN = "calendar_unknown"
    UNMATCHED = "unmatched"
    AMOUNT_OVERFLOW = "amount_overflow"
    INTERNAL_ERROR = "internal_error"


MEANINGS = {
    RejectReason.BAD_ORIGIN: "a record of `rerouted` without headers that say where it came from",
    RejectReason.EMPTY: "no value (a tombstone), or one of 0 bytes",
    RejectReason.TOO_LARGE: "more than 262144 bytes (256 KiB)",
    RejectReason.BYTE_ORDER_MARK: "begins with a UTF-8 byte order mark, which JSON must not have",
    RejectReason.NUL: "the character NUL anywhere, as a byte or as `\\u0000`",
    RejectReason.BAD_UTF8: "not UTF-8",
    RejectReason.NOT_JSON: "not a JSON text: cut short, `NaN`, a trailing comma, a number of thousands of digits …",
    RejectReason.TOO_DEEP: "nested deeper than 200 levels",
    RejectReason.LONE_SURROGATE: "an escape of half a character, such as `\\ud800` alone",
    RejectReason.DUPLICATE_KEY: "an object, at any depth, that names one key twice",
    RejectReason.WRONG_SHAPE: "JSON, but not an object",
    RejectReason.UNKNOWN_TYPE: "a type this topic does not carry, or one that is not built yet",
    RejectReason.BAD_VERSION: "a version other than 1",
    RejectReason.MISSING_FIELD: "a required field is missing",
    RejectReason.WRONG_FIELD: "a field has another JSON type than expected, or a value out of its bounds",
    RejectReason.KEY_MISMATCH: "the record's key is not the body's `account_id`, `merchant_id` or `payee_id`",
    RejectReason.MISROUTED: "re-routed to this partition, yet at home in another",
    RejectReason.TIME_JUMP: "`occurred_at` is more than 400 days ahead of the lane's time (event clock only)",
    RejectReason.TERMS_INVALID: "terms that can't be used; the detail names the field",
    RejectReason.CALENDAR_UNKNOWN: "needs working days of a year whose calendar is not known yet",
    RejectReason.UNMATCHED: "what it names did not become known within 72 hours",
    RejectReason.AMOUNT_OVERFLOW: "an amount, or a sum with what is booked already, that can't be stored",
    RejectReason.INTERNAL_ERROR: "a defect of postpay; the traceback is kept with the dead letter",
}
"""What each reason says to the team whose record it is; docs/messages.md shows this table."""
