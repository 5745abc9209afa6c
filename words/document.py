"""The form that values have in JSON documents, whoever writes these down."""

import base64
import json
from datetime import date, datetime
from typing import Any
from uuid import UUID


def plain(value: object) -> Any:
    """Give JSON's form of what JSON has none for, as the `default` of `json.dumps`.

    Raises:
        TypeError: it has none.
    """
    match value:
        case datetime() | date():
            return value.isoformat()
        case UUID():
            return str(value)
        case bytes():
            return {"base64": base64.b64encode(value).decode()}
        case set() | frozenset():
            return sorted(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def json_text(value: Any, indent: int | None = None) -> str:
    """A value as JSON that UTF-8 can hold; a lone surrogate as the escape it came as."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=plain)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent, default=plain)
    return text
