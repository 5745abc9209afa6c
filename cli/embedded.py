"""The settings of an embedded stack: as an object for this process, as variables for the workers'."""

from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from devstack.stack import Stack
from workers.settings.model import Kafka, Log, Ops, Postgres, Settings, Topics

Clock = Literal["wall", "event"]


def settings_of(stack: Stack, *, clock: Clock, prefix: str = "", database: str | None = None) -> Settings:
    """Settings that point at a stack, whatever the environment says.

    Args:
        stack: a running one.
        clock: `wall` or `event`.
        prefix: of the topics and the consumer group.
        database: another than the stack's own.
    """
    dsn = stack.dsn if database is None else with_database(stack.dsn, database)
    # Not the constructor: that reads the environment and `.env`, which are about another stack.
    return Settings.model_construct(
        kafka=Kafka(bootstrap=stack.bootstrap),
        postgres=Postgres(dsn=dsn),
        topics=Topics(prefix=prefix),
        group=f"{prefix}postpay",
        clock=clock,
        ops=Ops(),
        log=Log(),
    )


def environment_of(settings: Settings) -> dict[str, str]:
    """The same settings as `postpay worker` reads them."""
    return {
        "POSTPAY_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "POSTPAY_POSTGRES__DSN": settings.postgres.dsn,
        "POSTPAY_TOPICS__PREFIX": settings.topics.prefix,
        "POSTPAY_LANES": str(settings.lanes),
        "POSTPAY_GROUP": settings.group,
        "POSTPAY_CLOCK": settings.clock,
    }


def with_database(dsn: str, database: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))
