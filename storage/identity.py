"""Which database this is, and which Kafka cluster, topic prefix and group belong to it."""

from dataclasses import dataclass
from uuid import UUID

from storage.database import Connection
from storage.queries import read

_SQL = read("identity")


class IdentityMismatchError(Exception):
    """The database belongs to another cluster, prefix or group than the settings name."""


@dataclass(frozen=True, slots=True)
class Identity:
    """`cluster_id`, `prefix` and `group` are None until a worker was bound to the database."""

    database_id: UUID
    lanes: int
    cluster_id: str | None
    prefix: str | None
    group: str | None


async def identity(connection: Connection) -> Identity:
    """Read the database's identity; it must be migrated."""
    return Identity(*await connection.fetchrow(_SQL["identity"]))


async def bind(connection: Connection, cluster_id: str, prefix: str, group: str) -> Identity:
    """Tie the database to a cluster, prefix and group the first time; check them ever after, writing nothing.

    Raises:
        IdentityMismatchError: it is tied to others; says both sides and what to do.
    """
    found = await identity(connection)
    if found.cluster_id is None:
        await connection.execute(_SQL["bind"], cluster_id, prefix, group)
        found = await identity(connection)
    require_bound(found, cluster_id, prefix, group)
    return found


def require_bound(found: Identity, cluster_id: str, prefix: str, group: str) -> None:
    """Check that a database is tied to nothing else; one that is not tied yet is anybody's.

    Raises:
        IdentityMismatchError: it is tied to others; says both sides and what to do.
    """
    pairs = (
        ("Kafka cluster", found.cluster_id, cluster_id, "POSTPAY_KAFKA__BOOTSTRAP"),
        ("topic prefix", found.prefix, prefix, "POSTPAY_TOPICS__PREFIX"),
        ("consumer group", found.group, group, "POSTPAY_GROUP"),
    )
    for name, bound, given, setting in pairs:
        if bound not in {None, given}:
            raise IdentityMismatchError(
                f"database {found.database_id} belongs to {name} {bound!r}, but the settings name {given!r}; "
                f"set {setting} back, or use the database that belongs to it (POSTPAY_POSTGRES__DSN)"
            )
