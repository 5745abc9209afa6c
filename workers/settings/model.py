"""What can be set from outside: names, defaults, and what each value must be.

Every setting is an environment variable `POSTPAY_…`, also read from a file `.env` in the working directory; `__`
separates a section from its setting. docs/settings.md lists them all, and a test compares it with this module.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSettingError

from workers.settings.console import Console
from workers.settings.descriptions import ENV_FILE, PREFIX, Expected, SettingsError, given, unknown, wrong
from workers.settings.section import BROKER, Section, without_blanks

__all__ = ["PREFIX", "Console", "Engine", "Kafka", "Log", "Ops", "Postgres", "Settings", "SettingsError", "Topics"]

MIB = 1024 * 1024
LANES_MOST = 1024
# Kafka allows 249 characters in a topic's name; the longest of ours has 22.
PREFIX_LONGEST = 200
# Passwords that stand in examples, images and the development stack.
DEFAULT_PASSWORDS = frozenset({"postpay", "postgres", "password", "secret", "changeme", "admin", "kafka"})


def _lowercase(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _uppercase(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _must_be_readable(path: Path) -> Path:
    try:
        path.read_bytes()
    except OSError as error:
        raise ValueError(error.strerror or "cannot be read") from error
    return path


ReadableFile = Annotated[Path, Expected("a file that can be read")]
Count = Annotated[int, Field(ge=1, le=1_000_000), Expected("a whole number from 1 to 1000000")]
Bytes = Annotated[int, Field(ge=64 * 1024, le=2**31 - 1), Expected("bytes, a whole number from 65536 to 2147483647")]
Seconds = Annotated[float, Field(gt=0, le=86_400), Expected("seconds, more than 0, at most 86400")]


class Kafka(Section):
    """How to reach the brokers."""

    bootstrap: Annotated[
        str,
        BeforeValidator(without_blanks),
        Field(description="brokers, comma-separated; an IPv6 address in brackets", pattern=rf"^{BROKER}(,{BROKER})*$"),
        Expected("host:port, several separated by commas"),
    ] = "127.0.0.1:9092"
    security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        BeforeValidator(_uppercase),
        Field(description="as librdkafka and aiokafka name it"),
        Expected("PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"),
    ] = "PLAINTEXT"
    sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None,
        BeforeValidator(_uppercase),
        Field(description="how to log in; needed by the SASL protocols"),
        Expected("PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"),
    ] = None
    username: Annotated[str | None, Field(description="SASL user"), Expected("a name")] = None
    password_file: Annotated[
        ReadableFile | None,
        Field(description="file with the SASL password, for OAUTHBEARER with the token; read anew at each log-in"),
    ] = None
    ca_file: Annotated[
        ReadableFile | None, Field(description="PEM file of the authority that signed the brokers' certificates")
    ] = None
    certificate_file: Annotated[
        ReadableFile | None,
        Field(description="PEM file of this client's certificate, for brokers that ask for one; may hold its key"),
    ] = None
    key_file: Annotated[
        ReadableFile | None,
        Field(description="PEM file of the certificate's private key, not encrypted"),
    ] = None

    _readable = field_validator("password_file", "ca_file", "certificate_file", "key_file")(_must_be_readable)

    @property
    def brokers(self) -> list[str]:
        """Each host:port."""
        return self.bootstrap.split(",")

    @property
    def uses_sasl(self) -> bool:
        """Whether the brokers want a log-in."""
        return self.security_protocol.startswith("SASL_")

    @property
    def uses_tls(self) -> bool:
        """Whether what crosses the network is encrypted."""
        return self.security_protocol.endswith("SSL")

    def password(self) -> SecretStr | None:
        """The SASL password or token as its file holds it now, without the line end; None without a file."""
        if self.password_file is None:
            return None
        return _secret_in(self.password_file)


class Postgres(Section):
    """How to reach the database."""

    # Not a SecretStr: it may hold a password, so it is kept out of repr and of error lines.
    dsn: Annotated[
        str,
        Field(repr=False, description="connection URL", pattern=r"^postgres(ql)?://\S*$"),
        Expected("postgresql://user:password@host:port/database"),
    ] = "postgresql://localhost/postpay"
    password_file: Annotated[
        ReadableFile | None,
        Field(description="file with the password, so that the DSN needs none; read anew at each log-in"),
    ] = None

    _readable = field_validator("password_file")(_must_be_readable)

    async def read_password(self) -> str | None:
        """The password as its file holds it now; None without a file, for that in the DSN."""
        if self.password_file is None:
            return None
        secret = await asyncio.to_thread(_secret_in, self.password_file)
        return secret.get_secret_value()

    @property
    def password(self) -> SecretStr | None:
        """The password in its file, or else in the DSN."""
        if self.password_file is not None:
            return _secret_in(self.password_file)
        url = urlsplit(self.dsn)
        password = url.password or parse_qs(url.query).get("password", [""])[0]
        return SecretStr(unquote(password)) if password else None

    @property
    def sslmode(self) -> str | None:
        """The DSN's sslmode, named as libpq does."""
        return parse_qs(urlsplit(self.dsn).query).get("sslmode", [None])[0]

    @property
    def sslcert(self) -> str | None:
        """The file of the client's certificate that the DSN names."""
        return parse_qs(urlsplit(self.dsn).query).get("sslcert", [None])[0]

    @property
    def place(self) -> str:
        """Where it is, for people: hosts and database, without who logs in."""
        url = urlsplit(self.dsn)
        return f"{url.netloc.rpartition('@')[2] or 'the local socket'}{url.path}"

    @property
    def uses_socket(self) -> bool:
        """Whether the database is on this machine, behind a Unix socket, so that nothing crosses a network."""
        url = urlsplit(self.dsn)
        hosts = url.netloc.rpartition("@")[2] or parse_qs(url.query).get("host", [""])[0]
        return all(unquote(host).startswith("/") for host in hosts.split(","))


def _secret_in(file: Path) -> SecretStr:
    """What a file holds now, without the line end."""
    return SecretStr(file.read_text(encoding="utf-8").rstrip("\r\n"))


class Topics(Section):
    """How topics are named."""

    prefix: Annotated[
        str,
        Field(description="put before every topic name", pattern=r"^[A-Za-z0-9._-]*$", max_length=PREFIX_LONGEST),
        Expected(f"letters, digits, dots, underscores, hyphens; at most {PREFIX_LONGEST} characters"),
    ] = ""


class Ops(Section):
    """Where `/livez`, `/readyz` and `/metrics` are served."""

    host: Annotated[
        str, Field(description="address to listen on", pattern=r"^[^\s/]+$"), Expected("an address or host name")
    ] = "127.0.0.1"
    port: Annotated[
        int, Field(ge=0, le=65_535, description="port; 0 takes a free one"), Expected("a whole number from 0 to 65535")
    ] = 6066
    refresh_s: Annotated[Seconds, Field(description="how often figures are read from the database and the broker")] = 10


class Log(Section):
    """What is written to standard output."""

    format: Annotated[
        Literal["json", "console"],
        BeforeValidator(_lowercase),
        Field(description="`json` lines for machines or `console` for people"),
        Expected("json or console"),
    ] = "json"
    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        BeforeValidator(_lowercase),
        Field(description="least level written"),
        Expected("debug, info, warning or error"),
    ] = "info"


class Engine(Section):
    """Bounds of the engine. The defaults keep a worker with eight lanes below 300 MiB."""

    batch_max_messages: Annotated[Count, Field(description="messages settled in one transaction at most")] = 2000
    batch_max_bytes: Annotated[Bytes, Field(description="bytes of input settled in one transaction at most")] = 4 * MIB
    lanes_at_once: Annotated[
        Count, Field(description="lanes that settle a batch at the same time at most; the others wait their turn")
    ] = 3
    inbox_bytes: Annotated[
        Bytes, Field(description="bytes of fetched input a lane holds before it pauses its own partitions")
    ] = 4 * MIB
    fetch_budget_bytes: Annotated[
        Bytes, Field(description="bytes one fetch may bring over all partitions; each gets its share")
    ] = 32 * MIB
    timers_per_batch: Annotated[
        Count, Field(description="due timers fired in one transaction at most, besides those of the messages' accounts")
    ] = 200
    relay_backlog: Annotated[
        Count, Field(description="settled batches that wait for their relay before the lane waits as well")
    ] = 16
    merge_wait_s: Annotated[
        Seconds,
        Field(description="how long a lane on the wall clock waits for a topic that may still bring something older"),
    ] = 0.5
    pool_size: Annotated[Count, Field(description="connections to the database at most")] = 10
    session_timeout_s: Annotated[
        Seconds, Field(description="a worker silent this long is taken out of the group; its lanes go to others")
    ] = 10
    stop_timeout_s: Annotated[
        Seconds,
        Field(
            description="for a worker that is told to stop: 12.5 of it (at most half) to give up lanes and leave the"
            " group, the rest for batches in flight"
        ),
    ] = 25
    watchdog_s: Annotated[
        Seconds,
        Field(description="work there and none done for this long: not ready; for twice as long: the process ends"),
    ] = 60


class Settings(BaseSettings):
    """All settings; read once at the start with `Settings.load()`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_file=ENV_FILE,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    kafka: Kafka = Kafka()
    postgres: Postgres = Postgres()
    topics: Topics = Topics()
    lanes: Annotated[
        int,
        Field(ge=1, le=LANES_MOST, description="partitions of every lane topic, fixed by the database"),
        Expected(f"a whole number from 1 to {LANES_MOST}"),
    ] = 8
    group: Annotated[
        str,
        Field(description="consumer group", pattern=r"^[A-Za-z0-9._-]{1,200}$"),
        Expected("letters, digits, dots, underscores, hyphens"),
    ] = "postpay"
    clock: Annotated[
        Literal["wall", "event"],
        BeforeValidator(_lowercase),
        Field(description="`wall`: time of the database; `event`: time of the messages"),
        Expected("wall or event"),
    ] = "wall"
    operator: Annotated[
        str | None,
        Field(
            description="who acts, for the operator log; without it the user of the operating system", max_length=200
        ),
        Expected("a name of at most 200 characters"),
    ] = None
    ops: Ops = Ops()
    console: Console = Console()
    profile: Annotated[
        Literal["development", "production"],
        BeforeValidator(_lowercase),
        Field(description="`production` refuses plaintext and default secrets"),
        Expected("development or production"),
    ] = "development"
    log: Log = Log()
    worker: Engine = Engine()

    @classmethod
    def load(cls) -> Self:
        """Read the environment and `.env`.

        Raises:
            SettingsError: one line for each wrong setting.
        """
        values = given()
        lines = list(unknown(cls, values))
        try:
            settings = cls()
        except (ValidationError, UnreadableSettingError) as error:
            lines += wrong(cls, error, values)
        else:
            if not lines:
                return settings
        raise SettingsError("\n".join(dict.fromkeys(lines)))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        objections = [*_login_objections(self.kafka), *_certificate_objections(self.kafka)]
        if self.profile == "production":
            objections += [*_kafka_objections(self.kafka), *_postgres_objections(self.postgres)]
        if objections:
            raise ValueError("\n".join(objections))
        return self


def _login_objections(kafka: Kafka) -> Iterator[str]:
    """What a SASL protocol needs and doesn't have."""
    if not kafka.uses_sasl:
        return
    because = f"because POSTPAY_KAFKA__SECURITY_PROTOCOL={kafka.security_protocol}"
    if kafka.sasl_mechanism is None:
        yield f"POSTPAY_KAFKA__SASL_MECHANISM: expected PLAIN, SCRAM-SHA-256, … {because}, got nothing"
    elif kafka.username is None and kafka.sasl_mechanism != "OAUTHBEARER":
        yield f"POSTPAY_KAFKA__USERNAME: expected a name {because}, got nothing"
    password = kafka.password()
    if password is None:
        yield f"POSTPAY_KAFKA__PASSWORD_FILE: expected a file {because}, got nothing"
    elif not password.get_secret_value():
        yield f"POSTPAY_KAFKA__PASSWORD_FILE: expected a password in the file {because}, got an empty file"


def _certificate_objections(kafka: Kafka) -> Iterator[str]:
    """What a client's certificate needs and doesn't have."""
    if kafka.key_file is not None and kafka.certificate_file is None:
        yield "POSTPAY_KAFKA__CERTIFICATE_FILE: expected a file because of POSTPAY_KAFKA__KEY_FILE, got nothing"
    if kafka.certificate_file is not None and not kafka.uses_tls:
        yield (
            "POSTPAY_KAFKA__SECURITY_PROTOCOL: expected SSL or SASL_SSL because of POSTPAY_KAFKA__CERTIFICATE_FILE,"
            f" got {kafka.security_protocol}"
        )


def _kafka_objections(kafka: Kafka) -> Iterator[str]:
    because = "because POSTPAY_PROFILE=production"
    if not kafka.uses_tls:
        yield f"POSTPAY_KAFKA__SECURITY_PROTOCOL: expected SSL or SASL_SSL {because}, got {kafka.security_protocol}"
    password = kafka.password()
    if kafka.uses_sasl and password is not None and password.get_secret_value().lower() in DEFAULT_PASSWORDS:
        yield f"POSTPAY_KAFKA__PASSWORD_FILE: expected a password of your own {because}, got one from the examples"


def _postgres_objections(postgres: Postgres) -> Iterator[str]:
    because = "because POSTPAY_PROFILE=production"
    if postgres.uses_socket:
        return
    if postgres.sslmode not in {"require", "verify-ca", "verify-full"}:
        yield (
            f"POSTPAY_POSTGRES__DSN: expected sslmode=verify-full (or verify-ca, require) {because},"
            f" got sslmode={postgres.sslmode or 'nothing'}"
        )
    if postgres.password is None:
        if postgres.sslcert is None:
            yield f"POSTPAY_POSTGRES__DSN: expected a password, or POSTPAY_POSTGRES__PASSWORD_FILE, {because}, got none"
    elif postgres.password.get_secret_value().lower() in DEFAULT_PASSWORDS:
        yield f"POSTPAY_POSTGRES__DSN: expected a password of your own {because}, got one from the examples"
