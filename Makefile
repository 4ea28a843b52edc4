# Every command makes and updates .venv by itself; nothing but Python 3.11 or newer has to be there.
PYTHON ?= python3
BOOT := $(PYTHON) deploy/local/bootstrap.py
ARGS ?=

.PHONY: help run test check format schema messages manage bench clean

help:
	@echo "make run      open Kairos on this machine (PORT, HOST, DATA_DIR, DATABASE_URL, REDIS_URL)"
	@echo "make test     the test suite over throw-away servers (ARGS=\"-k booking\")"
	@echo "make check    format, lint, types, import contracts, migrations, OpenAPI snapshot"
	@echo "make format   rewrite the code in the agreed format"
	@echo "make schema   rewrite docs/openapi.yaml"
	@echo "make messages bring the catalogs of translations up to date with the sources"
	@echo "make manage   a Django command, while make run is up (ARGS=\"showmigrations\")"
	@echo "make bench    the benchmarks (ARGS=\"--help\")"
	@echo "make clean    remove what tools left; the data in .data stays"

run:
	@$(BOOT) deploy.local.run

test:
	@$(BOOT) --dev deploy.local.test $(ARGS)

check:
	@$(BOOT) --dev deploy.local.check

format:
	@$(BOOT) --dev ruff format .
	@$(BOOT) --dev ruff check --fix .

schema:
	@$(BOOT) --dev deploy.local.check --write-schema

messages:
	@DEBUG=true $(BOOT) manage update_translations

manage:
	@$(BOOT) manage $(ARGS)

bench:
	@$(BOOT) --dev benchmarks $(ARGS)

clean:
	rm -rf .artefacts staticfiles .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path "./.venv/*" -prune -exec rm -rf {} +
