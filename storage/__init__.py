"""Postgres: schema, queries and the transaction of one batch."""
