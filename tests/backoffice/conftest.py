"""Two worlds a module, in a transaction never committed; each test in a savepoint of it.

Time stands still on a Monday morning, years ahead of the database's own clock.
"""

from tests.backoffice.stage import _stage, abroad, home, worlds  # noqa: F401 - fixtures
