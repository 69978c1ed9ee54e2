# Each target is one line; tools/environment.py runs a command inside .venv and makes that first.
PYTHON ?= python3
RUN = $(PYTHON) tools/environment.py

.PHONY: demo test test-all check lint tools bench

demo: tools
	@$(RUN) python tools/demo.py

test: lint tools
	@$(RUN) pytest -q -n auto --maxschedchunk 1 -m "not long"

test-all: lint tools
	@$(RUN) pytest -q -n auto --maxschedchunk 1

check: lint
	@$(RUN) pytest -q -n auto tests/unit tests/properties -m "not long"

lint:
	@$(RUN) sh -c "ruff check && ruff format --check && mypy"

tools:
	@$(RUN) python tools/toolbox.py registry etcd pulumi-language-python kubernetes pulumi > /dev/null

bench:
	@$(RUN) python tests/benchmarks/bench.py
