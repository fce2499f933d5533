# Every target sets up what it needs in .venv: `demo` without torch, the others with it.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test tools check docs clean

demo: .venv/base
	$(BIN)/python -m zoo.demo

test: .venv/dev tools
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

# What tests start that pip does not install: a browser, a proxy and a load generator, from Debian.
tools:
	@export PATH="$$PATH:/usr/sbin" DEBIAN_FRONTEND=noninteractive; for tool in chromium nginx wrk; do \
	    command -v $$tool > /dev/null && continue; \
	    if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq chromium nginx-light wrk > /dev/null; \
	    else echo "$$tool is missing, which some tests need; run: sudo apt-get install -y chromium nginx-light wrk"; fi; \
	    break; \
	done

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/base
	$(BIN)/python -m zoo.docs

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/base: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) --editable .
	touch $@

.venv/dev: .venv/base
	$(INSTALL) --editable '.[train,dev]'
	touch $@
