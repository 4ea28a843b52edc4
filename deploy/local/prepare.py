"""Bring the database up to date and fill an empty one, in one process (`make run` calls it).

One process instead of two `manage.py` calls, since loading Django costs a second each time.
"""

import os

import django
from django.core.management import call_command

from core.translations.catalogs import compile_all
from deploy.local.browser_libraries import ensure_or_warn
from deploy.local.console import step


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    ensure_or_warn()
    compile_all()  # before Django reads them
    django.setup()
    with step("database up to date"):
        call_command("migrate", interactive=False, verbosity=0)
    with step("demo data"):
        call_command("load_demo", "--if-empty")


if __name__ == "__main__":
    main()
