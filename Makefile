# Everything a person needs: `make` lists the targets. Each target sets up .venv by itself.
.DEFAULT_GOAL := help
.PHONY: help demo test coverage check format readme pages docs bench bench-pace bench-poll bench-verify bench-machines bench-plans crash-night crash-machines crash-upgrades crash-calls crash-syscalls crash-power crash-twice night machine fuzz mutants disk-full signals soak clean
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
BUILD := build

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("batchgen needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $@

demo: $(STAMP) ## a whole run against the embedded simulator, killed and resumed before your eyes
	@$(BIN)/batchgen demo

test: $(STAMP) ## all tests
	@$(BIN)/python -m pytest -n 4 --dist worksteal -q $(ARGS)

coverage: $(STAMP) ## all tests, with branch coverage
	@$(MAKE) test ARGS="--cov --cov-report=term:skip-covered $(ARGS)"

check: $(STAMP) ## lint, layers, types, spelling, dependencies, generated README parts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	$(BIN)/codespell batchgen bench migrations docs README.md CHANGELOG.md Makefile
	$(BIN)/deptry .
	$(BIN)/python -m cogapp -I . --check README.md docs/commands.md docs/manifest.md docs/sql.md

format: $(STAMP) ## format and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

readme: $(STAMP) ## regenerate the generated parts of the README
	$(BIN)/python -m cogapp -I . -r README.md docs/commands.md docs/manifest.md docs/sql.md

pages: $(STAMP) ## play every example of the pages in docs/ and write down what it says
	RECORD_PAGES=1 $(BIN)/python -m pytest -q tests/acceptance/test_pages.py

docs: $(STAMP) ## build the pages into build/docs; begin with index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --config-file docs/site/mkdocs.yml

bench: $(STAMP) ## speed and memory as ratios against raw loops in the same run (about 20 minutes)
	@mkdir -p $(BUILD) && rm -f $(BUILD)/million.db*
	$(BIN)/python bench/throughput.py
	$(BIN)/python bench/ledger.py
	$(BIN)/python bench/plan.py --db $(BUILD)/million.db
	$(BIN)/python bench/status.py --db $(BUILD)/million.db
	$(BIN)/python bench/verify.py --keep $(BUILD)

bench-pace: $(STAMP) ## how soon a run finds limits that step up and down, against the simulator (about 14 minutes)
	$(BIN)/python bench/pace.py

bench-poll: $(STAMP) ## how late and with how many questions finished tasks are noticed, beside fixed intervals (seconds)
	$(BIN)/python bench/poll.py

bench-verify: $(STAMP) ## time and memory of verify on a million saved jobs (about 10 minutes, 3 GB in build/)
	@mkdir -p $(BUILD)
	$(BIN)/python bench/verify.py --keep $(BUILD)

bench-machines: $(STAMP) ## what each job costs a PostgreSQL that 1, 2, 4 and 8 workers share, and how fast they record (about 12 minutes)
	$(BIN)/python bench/machines.py

JOBS ?= 10000000
bench-plans: $(STAMP) ## how long a pool's questions take in a PostgreSQL of many rows (JOBS=10000000: half an hour, 8 GB in TMPDIR)
	$(BIN)/python bench/plans10m.py --jobs $(JOBS)

KILLS ?= 500
crash-night: $(STAMP) ## random SIGKILLs over runs of 200 jobs (KILLS=500)
	$(BIN)/python tests/crash/random_kills.py --kills $(KILLS)

crash-upgrades: $(STAMP) ## death at every statement of every upgrade of the job database (about 10 minutes)
	EVERY_STATEMENT=1 $(BIN)/python -m pytest -n 2 -q --timeout=0 tests/migrations/test_death.py

RESTARTS ?= 100
crash-machines: $(STAMP) ## workers killed and frozen, the database struck down, COMMITs cut (KILLS=500 RESTARTS=100, about 50 minutes)
	$(BIN)/python tests/crash/machines.py --kills $(KILLS) --restarts $(RESTARTS)

crash-calls: $(STAMP) ## death and failure at every call through every port, for every kind of order (about an hour)
	EVERY_CALL=1 $(BIN)/python -m pytest -n 2 -q --timeout=0 tests/crash/test_every_port_call.py

PAIRS ?= 300
crash-twice: $(STAMP) ## a second death while a dead run is resumed, at calls through the ports (PAIRS=300)
	$(BIN)/python tests/crash/double_faults.py --pairs $(PAIRS)

EVERY ?= 1
crash-syscalls: $(STAMP) ## death at every system call of a small run; with ERRORS=1 disk errors (needs strace; EVERY=1)
	$(BIN)/python tests/crash/syscalls.py --every $(EVERY) $(if $(ERRORS),--errors)

CUTS ?= 100
crash-power: $(STAMP) ## power cuts on a file system of our own (needs root and loop devices; CUTS=100 of each kind)
	$(BIN)/python tests/crash/power_cuts.py --cuts $(CUTS)

SIZES ?= 50
disk-full: $(STAMP) ## disks that fill up under database, pictures or both, SIZES times each (needs root)
	$(BIN)/python tests/crash/disk_full.py --sizes $(SIZES)

ROUNDS ?= 1
signals: $(STAMP) ## every signal in every phase of a run, so many times (ROUNDS=1)
	$(BIN)/python tests/crash/signals.py --rounds $(ROUNDS)

night: $(STAMP) ## PartiPrompts x 2 models (3,264 rows) against the rough simulator, killed three times
	$(BIN)/python tests/crash/night.py

EXAMPLES ?= 500
machine: $(STAMP) ## random lives of a batch on the real ledger, 50 steps each (EXAMPLES=500)
	EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -q --timeout=0 tests/unit/store/test_ledger_lives.py

soak: MINUTES = 30
soak: $(STAMP) ## a long run at full speed with faults: memory, files, diary, invariants, bill (MINUTES=30)
	$(BIN)/python tests/crash/soak.py --minutes $(MINUTES)

MINUTES ?= 10
fuzz: $(STAMP) ## damaged input for every reader, so many minutes each (MINUTES=10)
	$(BIN)/python -m tests.fuzz.fuzz --seconds $$(( $(MINUTES) * 60 ))

mutants: $(STAMP) ## break the modules about money in one place at a time, and count what the tests notice (about an hour)
	$(BIN)/python tests/mutation/mutants.py

clean: ## remove what the targets made
	rm -rf $(VENV) $(BUILD) dist .mypy_cache .ruff_cache .coverage* batchgen-demo
