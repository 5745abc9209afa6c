"""Settings of the operators' page."""

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from workers.settings.descriptions import Expected
from workers.settings.section import BROKER, Section, without_blanks


class Console(Section):
    """The operators' page, `postpay console`."""

    host: Annotated[
        str, Field(description="address to listen on", pattern=r"^[^\s/]+$"), Expected("an address or host name")
    ] = "127.0.0.1"
    port: Annotated[
        int, Field(ge=0, le=65_535, description="port; 0 takes a free one"), Expected("a whole number from 0 to 65535")
    ] = 6065
    users_file: Annotated[
        Path, Field(description="who may log in; written by `postpay console user add`"), Expected("a path")
    ] = Path("console-users.json")
    reader_dsn: Annotated[
        str | None,
        Field(
            repr=False,
            description="another log-in, or a standby, to read from; without it POSTPAY_POSTGRES__DSN",
            pattern=r"^postgres(ql)?://\S*$",
        ),
        Expected("postgresql://user:password@host:port/database"),
    ] = None
    proxy_header: Annotated[
        str | None,
        Field(description="header in which a trusted proxy names the user", pattern=r"^[A-Za-z0-9-]{1,100}$"),
        Expected("the name of a header, such as X-Forwarded-User"),
    ] = None
    proxy_networks: Annotated[
        str,
        BeforeValidator(without_blanks),
        Field(description="where that proxy is, comma-separated; from elsewhere the header is not believed"),
        Expected("addresses or networks, such as 127.0.0.1 or 10.0.0.0/8"),
    ] = "127.0.0.1,::1"
    workers: Annotated[
        str | None,
        BeforeValidator(without_blanks),
        Field(
            description="ops addresses of workers, comma-separated, asked for the state of their lanes",
            pattern=rf"^{BROKER}(,{BROKER})*$",
        ),
        Expected("host:port, several separated by commas"),
    ] = None

    @field_validator("proxy_networks")
    @classmethod
    def _networks_must_be_some(cls, networks: str) -> str:
        for each in networks.split(","):
            ip_network(each)
        return networks

    def trusts(self, peer: str | None) -> bool:
        """Whether a request from an address may name its user."""
        if self.proxy_header is None or peer is None:
            return False
        return any(ip_address(peer) in ip_network(each) for each in self.proxy_networks.split(","))
