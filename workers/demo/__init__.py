"""A quarter of a small platform's life, settled by real workers on a real Kafka and Postgres: `postpay demo`.

The other services of the platform are played here, from a seed: `buyers`, `shops` and `gateway` tell what happens,
`mishaps` what goes wrong on the way. Everything that is printed is read from the running system, never from the script.
"""
