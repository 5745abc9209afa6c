"""A real Kafka broker and a real Postgres from Python packages, for development and tests without Docker."""
