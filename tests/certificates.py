"""Certificates of an authority of a test's own, made with OpenSSL's command."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, PEM files."""

    certificate: Path
    key: Path

    @property
    def together(self) -> Path:
        """Key and certificate in one file, as Kafka's brokers want it."""
        file = self.certificate.with_suffix(".both.pem")
        file.write_text(self.key.read_text() + self.certificate.read_text())
        return file


class Authority:
    """Signs certificates.

    Args:
        folder: for all files.
        name: of the authority.
    """

    def __init__(self, folder: Path, name: str = "authority") -> None:
        if shutil.which("openssl") is None:
            pytest.skip("needs the command openssl to make certificates")
        self._folder = folder
        self._own = self._files(name)
        _openssl("req", "-x509", *NEW_KEY, "-subj", f"/CN={name}", "-days", "2",
                 "-keyout", self._own.key, "-out", self._own.certificate)  # fmt: skip

    @property
    def file(self) -> Path:
        """What a peer's certificate is checked against."""
        return self._own.certificate

    def certificate(self, name: str) -> Certificate:
        """A certificate of a server on this machine, or of a client of this name."""
        made, request = self._files(name), self._folder / f"{name}.csr"
        _openssl("req", *NEW_KEY, "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
                 "-keyout", made.key, "-out", request)  # fmt: skip
        _openssl("x509", "-req", "-in", request, "-CA", self._own.certificate, "-CAkey", self._own.key,
                 "-CAcreateserial", "-copy_extensions", "copy", "-days", "2", "-out", made.certificate)  # fmt: skip
        return made

    def _files(self, name: str) -> Certificate:
        return Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
