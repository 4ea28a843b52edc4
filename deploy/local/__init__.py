"""Kairos on one machine with nothing but Python: what `make run`, `make test` and `make check` do.

`bootstrap` makes the virtual environment, `postgres` and `valkey` are the two embedded servers,
`services` a throw-away pair of them, `run` the supervisor, `test` and `check` the developer's two
gates. Production uses none of this.
"""
