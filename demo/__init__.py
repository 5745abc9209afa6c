"""A quarter of a small platform's life, settled by real workers on a real Kafka and Postgres: `postpay demo`.

The other services of the platform are played here, from a seed. `buyers` on four programmes (`kuaishou`, `tmall`,
`taobao`, `douyin`) and `shops` live their lives, the `gateway` answers debits as their `purses` allow, the `recipients`
of notices act on them, and `mishaps` happen on the way. Everything that is printed is read from the running system,
never from the script.
"""
