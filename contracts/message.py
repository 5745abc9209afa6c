"""What every input message has, and how its content is fingerprinted."""

from hashlib import blake2b
from typing import Annotated, Any, ClassVar, get_args

import msgpack
from pydantic import BaseModel, ConfigDict, Field

from contracts.fields import Id, Instant
from settlement.messages import Body
from settlement.party import Party, PartyKind

ENVELOPE = frozenset({"event_id", "occurred_at", "version", "source", "causation_id"})
"""Fields that are not business content: two messages that differ only here say the same."""


_pack = msgpack.Packer().pack
"""One packer for all: making one takes as long as packing a message."""


class WireModel(BaseModel):
    """Strict: JSON types are not converted; unknown fields are ignored; null means "not given" where optional."""

    model_config = ConfigDict(strict=True, extra="ignore", use_attribute_docstrings=True)

    required_content: ClassVar[tuple[str, ...]] = ()
    """Business fields every message of the class has, by name."""
    optional_content: ClassVar[tuple[tuple[str, Any], ...]] = ()
    """Business fields that may be left out, by name, with their defaults."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Take down the business fields once, at class creation."""
        super().__pydantic_init_subclass__(**kwargs)
        fields = [(name, field) for name, field in sorted(cls.model_fields.items()) if name not in ENVELOPE]
        cls.required_content = tuple(name for name, field in fields if field.is_required())
        cls.optional_content = tuple((name, field.default) for name, field in fields if not field.is_required())

    def content(self) -> dict[str, Any]:
        """Business fields that are given and differ from their default: first required ones, then others, by name.

        The order is part of every fingerprint ever stored. So a field that becomes optional needs its place kept here;
        the golden messages in tests/contract notice.
        """
        fields = self.__dict__
        content = {name: fields[name] for name in self.required_content}
        for name, default in self.optional_content:
            value = fields[name]
            if value is not None and value != default:
                content[name] = value
        return content

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

    @classmethod
    def message_type(cls) -> str:
        """The `type` of the class's messages."""
        return str(get_args(cls.model_fields["type"].annotation)[0])

    def body(self) -> Body:
        """Translate to the domain.

        Raises:
            RefusalError: fields contradict each other.
        """
        raise NotImplementedError

    def party(self) -> Party | None:
        """Whom it concerns; None: the lane itself."""
        return None

    def fingerprint(self) -> bytes:
        """16 bytes that are equal exactly for equal business content, in this and all later releases."""
        return blake2b(_pack(self.content()), digest_size=16).digest()


class AccountMessage(Message):
    """A message about a buyer's account."""

    account_id: Id
    """The account; also the record's key."""

    def party(self) -> Party:
        """The buyer's account."""
        return Party(PartyKind.ACCOUNT, self.account_id)


class MerchantMessage(Message):
    """A message about a merchant."""

    merchant_id: Id
    """The merchant; also the record's key."""

    def party(self) -> Party:
        """The merchant."""
        return Party(PartyKind.MERCHANT, self.merchant_id)
