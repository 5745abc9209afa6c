"""`postpay dev`: the embedded Kafka and Postgres; everything is in the package devstack."""

from devstack.cli import app

__all__ = ["app"]
