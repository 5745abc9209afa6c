"""Which lane a key is at home on: Kafka's murmur2 hash, as Java clients and aiokafka partition.

librdkafka hashes with CRC32 unless told otherwise, so a Go or Python producer may put the same account elsewhere.
"""

from functools import lru_cache

from workers.kafka.clients import lane_of

# murmur2 in Python takes some 6 µs for a key of 12 characters; merchants and misplaced accounts come again and again.
KEYS_REMEMBERED = 65_536


@lru_cache(maxsize=KEYS_REMEMBERED)
def home_of(party_id: str, lanes: int) -> int:
    """Return the lane of an account or merchant id."""
    return lane_of(party_id.encode(), lanes)
