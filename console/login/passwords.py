"""Passwords as their hashes: scrypt of the standard library.

32 MiB and about 0.2 s each, as OWASP recommends (N=2^15, r=8, p=3); the numbers stand in the hash, so they may grow.
"""

import asyncio
import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from typing import Final

COST, BLOCK, PARALLEL = 2**15, 8, 3
SALT_BYTES, KEY_BYTES = 16, 32
LEAST_LENGTH = 12
MOST_LENGTH = 1000

_TURN = asyncio.Semaphore(2)
"""Passwords tried at once: more would take memory and processor from the pages."""


def hashed(password: str) -> str:
    """A hash to keep: `scrypt$N$r$p$salt$key`."""
    salt = secrets.token_bytes(SALT_BYTES)
    key = _derived(password, salt, COST, BLOCK, PARALLEL)
    return f"scrypt${COST}${BLOCK}${PARALLEL}${b64encode(salt).decode()}${b64encode(key).decode()}"


def is_hash(text: str) -> bool:
    """Whether a text is what `hashed` makes."""
    kind, *numbers = text.split("$")
    return kind == "scrypt" and len(numbers) == 5 and all(number.isdecimal() for number in numbers[:3])  # noqa: PLR2004


async def matches(password: str, kept: str | None) -> bool:
    """Whether a password is the one of a hash; without a hash it takes as long, and is not."""
    if len(password) > MOST_LENGTH:
        return False
    async with _TURN:
        same = await asyncio.to_thread(_matches, password, kept or NOBODYS)
    return same and kept is not None


def _matches(password: str, kept: str) -> bool:
    _, cost, block, parallel, salt, key = kept.split("$")
    found = _derived(password, b64decode(salt), int(cost), int(block), int(parallel))
    return hmac.compare_digest(found, b64decode(key))


def _derived(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    most = 2 * 128 * block * (cost + parallel)
    return hashlib.scrypt(
        password.encode(errors="surrogatepass"), salt=salt, n=cost, r=block, p=parallel, maxmem=most, dklen=KEY_BYTES
    )


NOBODYS: Final = (
    f"scrypt${COST}${BLOCK}${PARALLEL}${b64encode(bytes(SALT_BYTES)).decode()}${b64encode(bytes(KEY_BYTES)).decode()}"
)
