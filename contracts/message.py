"""What every input message has, and how its content is fingerprinted."""

from hashlib import blake2b
from typing import Annotated, Any, ClassVar

import msgpack
from pydantic import BaseModel, ConfigDict, Field

from contracts.fields import Id, Instant
from settlement.messages import Body

ENVELOPE = frozenset({"event_id", "occurred_at", "version", "source", "causation_id"})
"""Fields that are not business content: two messages that differ only here say the same."""


class WireModel(BaseModel):
    """Strict: JSON types are not converted; unknown fields are ignored; null means "not given" where optional."""

    model_config = ConfigDict(strict=True, extra="ignore", use_attribute_docstrings=True)

    content_fields: ClassVar[tuple[tuple[str, Any], ...]] = ()
    """Name and default of each business field, by name, so that reordering a class changes no fingerprint."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Take down the business fields once, at class creation."""
        super().__pydantic_init_subclass__(**kwargs)
        cls.content_fields = tuple(
            (name, field.default) for name, field in sorted(cls.model_fields.items()) if name not in ENVELOPE
        )

    def content(self) -> dict[str, Any]:
        """Business fields that are given and differ from their default, in order of name."""
        fields = self.__dict__
        return {
            name: value
            for name, default in self.content_fields
            if (value := fields[name]) is not None and value != default
        }

    def keys_read(self) -> int:
        """How many JSON keys of the text were read into fields, those of nested objects included."""
        return len(self.__pydantic_fields_set__)


class Message(WireModel):
    """One type of input message: the common fields, and `body`, its translation."""

    event_id: Id
    """Unique per topic and key for ever; a repeat of it is a repeat of the message."""
    occurred_at: Instant
    """When it happened."""
    version: Annotated[int, Field(ge=1, le=1)] | None = 1
    """Version of the message's shape."""
    source: Annotated[str, Field(max_length=512)] | None = None
    """Free hint at the producing service."""

    def body(self) -> Body:
        """Translate to the domain.

        Raises:
            RefusalError: fields contradict each other.
        """
        raise NotImplementedError

    def fingerprint(self) -> bytes:
        """16 bytes that are equal exactly for equal business content, in this and all later releases."""
        return blake2b(msgpack.packb(self.content(), default=WireModel.content), digest_size=16).digest()


class AccountMessage(Message):
    """A message about a buyer's account."""

    account_id: Id
    """The account; also the record's key."""


class MerchantMessage(Message):
    """A message about a merchant."""

    merchant_id: Id
    """The merchant; also the record's key."""
