# Two commands matter: `make run` starts a daemon, `make test` runs all that CI runs.
# Nothing is needed but Python 3.11 or newer and a C compiler (for platforms without ready-made wheels).

# The first of these that really starts and is new enough; 3.11 first, since the requirements are locked with it.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$name; break; }; done)

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet

# A stamp is younger than everything that the step behind it was made from, or the step is done again.
RUN_READY := .venv/run.stamp
TEST_READY := .venv/test.stamp

SCENARIOS = $(shell find scenarios -name '*.toml' -not -path 'scenarios/data/*' | LC_ALL=C sort)
# Seeds for each scenario file: RUNS for `make simulate`, SWEEP for the short one inside `make test`.
RUNS ?= 200
SWEEP ?= 5
# Processes that share the tests: one more than there are cores, since some tests wait for a silence or a deadline. One
# that has nothing left to do takes from the end of what another was given, so most modules stay whole, and what is made
# once a module is made once.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
PYTEST = $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal
# One benchmark by name, or all of them; arguments for `tidings serve`.
CASE ?=
ARGS ?=

# Bytecode is kept whatever the surroundings say, or each of the many processes that tests start would compile us anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test check bench simulate format lint types fast-tests clean lock anew

run: $(RUN_READY)
	@exec $(BIN)/tidings serve $(ARGS)

test: lint types
	$(PYTEST)
	$(BIN)/tidings simulate --runs $(SWEEP) $(SCENARIOS)

# Under a minute on two cores. Properties are searched with fewer examples than `make test` searches them with.
check: lint types fast-tests

bench: $(TEST_READY)
	$(BIN)/python -m benchmarks $(CASE)

simulate: $(RUN_READY)
	$(BIN)/tidings simulate --runs $(RUNS) $(SCENARIOS)

# Changes files: the only target that does.
format: $(TEST_READY)
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lint: $(TEST_READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(TEST_READY)
	$(BIN)/mypy --num-workers auto

fast-tests: $(TEST_READY)
	$(PYTEST) -m "not slow" --hypothesis-profile quick

# ./data is left alone: it may hold messages that somebody still waits for.
clean:
	rm -rf .venv build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An interpreter that moved or went away leaves an environment that cannot start, so the environment is made anew.
.venv/pyvenv.cfg: $(if $(shell .venv/bin/python -c '' 2>/dev/null || echo broken),anew)
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and none was found: make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv

$(RUN_READY): .venv/pyvenv.cfg requirements/run.txt requirements/build.txt pyproject.toml
	$(PIP) install --require-hashes -r requirements/run.txt -r requirements/build.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(TEST_READY): requirements/test.txt $(RUN_READY)
	$(PIP) install --require-hashes -r requirements/test.txt
	@touch $@

# Locks pyproject.toml and the .in files again, in an environment that is thrown away. Versions stay where they are
# unless UPGRADE=--upgrade is given. The oldest Python that we support does it, since it needs the most packages.
UPGRADE ?=
COMPILE = pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options $(UPGRADE)
lock:
	@set -e; room=$$(mktemp -d); trap 'rm -rf "$$room"' EXIT; \
	python3.11 -m venv "$$room"; \
	"$$room/bin/pip" install --quiet --disable-pip-version-check pip-tools==7.6.2; \
	cd requirements; PATH="$$room/bin:$$PATH"; \
	$(COMPILE) --output-file run.txt ../pyproject.toml; \
	for name in build test; do $(COMPILE) --output-file $$name.txt $$name.in; done
