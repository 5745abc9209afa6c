"""What the reason codes of dead letters say. Source: docs/messages.md, Reason codes."""

from settlement.dead_letter import DeadLetterReason

MEANINGS = {
    DeadLetterReason.BAD_ORIGIN: "a record of `rerouted` without headers that say where it came from",
    DeadLetterReason.EMPTY: "no value (a tombstone), or one of 0 bytes",
    DeadLetterReason.TOO_LARGE: "more than 262144 bytes (256 KiB)",
    DeadLetterReason.BYTE_ORDER_MARK: "begins with a UTF-8 byte order mark, which JSON must not have",
    DeadLetterReason.NUL: "the character NUL anywhere, as a byte or as `\\u0000`",
    DeadLetterReason.BAD_UTF8: "not UTF-8",
    DeadLetterReason.NOT_JSON: "not a JSON text: cut short, `NaN`, a trailing comma, a number of thousands of digits …",
    DeadLetterReason.TOO_DEEP: "nested deeper than 200 levels",
    DeadLetterReason.LONE_SURROGATE: "an escape of half a character, such as `\\ud800` alone",
    DeadLetterReason.DUPLICATE_KEY: "an object, at any depth, that names one key twice",
    DeadLetterReason.WRONG_SHAPE: "JSON, but not an object",
    DeadLetterReason.UNKNOWN_TYPE: "a type this topic does not carry, or one that is not built yet",
    DeadLetterReason.BAD_VERSION: "a version other than 1",
    DeadLetterReason.MISSING_FIELD: "a required field is missing",
    DeadLetterReason.WRONG_FIELD: "a field has another JSON type than expected, or a value out of its bounds",
    DeadLetterReason.KEY_MISMATCH: "the record's key is not the body's `account_id`, `merchant_id` or `payee_id`",
    DeadLetterReason.MISROUTED: "re-routed to this partition, yet at home in another",
    DeadLetterReason.TIME_JUMP: "`occurred_at` is more than 400 days ahead of the lane's time (event clock only)",
    DeadLetterReason.TERMS_INVALID: "terms that can't be used; the detail names the field",
    DeadLetterReason.CALENDAR_UNKNOWN: "needs working days of a year whose calendar is not known yet",
    DeadLetterReason.UNMATCHED: "what it names did not become known within 72 hours",
    DeadLetterReason.AMOUNT_OVERFLOW: "an amount, or a sum with what is booked already, that can't be stored",
    DeadLetterReason.INTERNAL_ERROR: "a defect of postpay; the traceback is kept with the dead letter",
}
"""What each reason says to the team whose record it is; docs/messages.md shows this table."""
