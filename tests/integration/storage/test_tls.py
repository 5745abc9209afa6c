"""Certificates between us and the database, as the DSN names them.

The Postgres of the tests is built without TLS, so something else ends it on the way: what Postgres answers to the
request for it, then OpenSSL's handshake, then the bytes as they come.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit, urlunsplit

import asyncpg
import pytest

from storage.database import connect, is_transient, open_pool
from tests.certificates import Authority, Certificate

# With TLS 1.3 a client hears that its certificate is refused only after it takes the handshake for done.
REFUSED = (ConnectionError, asyncpg.PostgresConnectionError)
SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder) -> Authority:
    return Authority(folder)


@pytest.fixture
async def port(authority, dsn) -> AsyncIterator[int]:
    """Where the database is served with TLS to clients that have a certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.file)
    context.verify_mode = ssl.CERT_REQUIRED
    made = authority.certificate("server")
    context.load_cert_chain(made.certificate, made.key)
    url = urlsplit(dsn)
    async with _ending_tls(context, url.hostname, url.port) as port:
        yield port


@asynccontextmanager
async def _ending_tls(context: ssl.SSLContext, host: str, server_port: int) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            assert await reader.readexactly(len(SSL_REQUEST)) == SSL_REQUEST
            writer.write(b"S")
            await writer.drain()
            await writer.start_tls(context)
            onward_reader, onward = await asyncio.open_connection(host, server_port)
            await asyncio.gather(_carry(reader, onward), _carry(onward_reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while some := await reader.read(65536):
        writer.write(some)
        await writer.drain()
    writer.close()


def with_tls(dsn: str, port: int, authority: Authority, shown: Certificate | None, mode: str = "verify-full") -> str:
    """The DSN of the server with TLS."""
    url = urlsplit(dsn)
    query = {"sslmode": mode, "sslrootcert": authority.file}
    if shown is not None:
        query |= {"sslcert": shown.certificate, "sslkey": shown.key}
    netloc = f"{url.username}:{url.password}@127.0.0.1:{port}"
    return urlunsplit(url._replace(netloc=netloc, query=urlencode(query)))


async def test_a_client_shows_the_certificate_that_the_dsn_names(dsn, port, authority):
    opened = await connect(with_tls(dsn, port, authority, authority.certificate("client")), application_name="test")
    assert await opened.fetchval("SELECT count(*) FROM lane") > 0
    await opened.close()


async def test_without_a_certificate_or_with_anothers_the_server_is_said_to_be_away(dsn, port, authority, tmp_path):
    stranger = Authority(tmp_path, "stranger").certificate("client")
    for shown in (None, stranger):
        with pytest.raises(REFUSED) as raised:
            await connect(with_tls(dsn, port, authority, shown), application_name="test")
        assert is_transient(raised.value)


async def test_a_server_of_another_authority_is_refused(dsn, port, authority, tmp_path):
    with pytest.raises(ssl.SSLCertVerificationError):
        await connect(
            with_tls(dsn, port, Authority(tmp_path, "stranger"), authority.certificate("client")),
            application_name="test",
        )


async def test_a_renewed_certificate_is_shown_at_the_next_connection(dsn, port, authority, tmp_path):
    shown = Certificate(tmp_path / "client.pem", tmp_path / "client.key")

    def show(certificate: Certificate) -> None:
        shown.certificate.write_bytes(certificate.certificate.read_bytes())
        shown.key.write_bytes(certificate.key.read_bytes())

    show(authority.certificate("client"))
    pool = await open_pool(with_tls(dsn, port, authority, shown), application_name="test", max_size=1)
    try:
        assert await pool.fetchval("SELECT 1") == 1
        show(Authority(tmp_path, "stranger").certificate("client"))
        await pool.expire_connections()
        with pytest.raises(REFUSED):
            await pool.fetchval("SELECT 1")
        show(authority.certificate("renewed"))
        assert await pool.fetchval("SELECT 1") == 1
    finally:
        pool.terminate()
