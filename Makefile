PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Of dev, demo and test: embedded, apache (a real Apache Kafka; needs Java 17 and, once, Maven), or docker (servers in containers)
BROKER ?= $(or $(FAIRPOOL_BROKER),embedded)
export FAIRPOOL_BROKER := $(BROKER)
# Of test and test-all: most tests wait, so one more than CI's two cores
WORKERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help setup env dev demo test test-keepers bench-gateway bench-vault test-all test-apache test-replicas bench bench-intake bench-courier bench-rebuild bench-signatures bench-listing bench-matching bench-matched bench-backfill bench-patience bench-flood bench-bodies bench-growth attack-rows attack-arrivals attack-timings pictures check format lock schemas

help:    ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*##/\t/' | expand -t 15

setup: $(VENV)/.ready    ## create .venv with everything in it (quick the second time)

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Fairpool needs Python 3.11 or newer; '$(PYTHON)' is older. Try: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "could not make .venv; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "1 of 2: installing what requirements.lock names into .venv: a minute, or some on a slow machine or line (log: $(VENV)/install.log)"
	@rm -f $(VENV)/.failed; { $(BIN)/python -m pip install --progress-bar off --require-hashes -r requirements.lock 2>&1 || touch $(VENV)/.failed; } | tee $(VENV)/install.log \
	  | awk '/^Collecting/ { if (++n % 20 == 0) { print "  looked at " n " packages"; fflush() } } /^Installing collected/ { print "  unpacking all of them"; fflush() }'; \
	  test ! -e $(VENV)/.failed && echo "2 of 2: Fairpool itself" \
	  && $(BIN)/python -m pip install --no-deps --no-build-isolation -e . >>$(VENV)/install.log 2>&1 \
	  || { tail -n 25 $(VENV)/install.log >&2; echo "the install failed; whole log: $(VENV)/install.log" >&2; exit 1; }
	@touch $@

env: setup    ## write .env: every secret of a deployment in containers, once
	@$(BIN)/fairpool secrets new

dev: setup    ## start the whole stack on this machine (Ctrl-C stops it)
	@$(BIN)/fairpool dev

demo: setup    ## play the whole story on a stack of its own, check its promises, leave nothing running
	@$(BIN)/fairpool demo --own-stack

test: setup    ## all tests but the slow ones, on several workers (WORKERS=0: in one process)
	@echo "unit, handler, port, contract, architecture, integration and end-to-end tests on $(WORKERS) workers, each with servers of its own; the slow ones: make test-all"
	@$(BIN)/python -m pytest -n $(WORKERS) -m "not slow and not replicas" $(PYTEST_ARGS)

test-all: setup    ## all tests, the slow ones and more generated examples too
	@$(BIN)/python -m pytest -n $(WORKERS) -m "not replicas" --hypothesis-profile=thorough $(PYTEST_ARGS)

test-apache: setup    ## the tests that need a broker, on a real Apache Kafka (Java 17 and, once, Maven)
	@$(BIN)/python -m deploy.local.kafka.jars >/dev/null
	@FAIRPOOL_BROKER=apache $(BIN)/python -m pytest tests/integration/messaging tests/integration/traces tests/e2e tests/faults/test_kills.py tests/deploy/test_secured_kafka.py tests/deploy/test_kafka_users.py

test-replicas: setup    ## several of each process on a real Apache Kafka, killed and restarted under traffic (minutes; wants a quiet machine)
	@$(BIN)/python -m deploy.local.kafka.jars >/dev/null
	@FAIRPOOL_BROKER=apache $(BIN)/python -m pytest tests/faults/test_replicas.py $(PYTEST_ARGS)

BENCHES := intake gateway flood matching

bench: $(addprefix bench-,$(BENCHES))    ## the benches named in BENCHES, beside what one would write first, to bench/NAME.json (minutes each; wants a quiet machine). The others one by one: bench-courier, bench-matched, ... (make help)

bench-intake: setup    ## a webhook, and the way to a person's rows (BENCH_ARGS="route profile", or all: one process of all roles)
	@$(BIN)/python -m tests.bench.intake $(BENCH_ARGS)

bench-matching: setup    ## people held against 1,000, 10,000 and 100,000 pools, beside a naive loop and PostgreSQL (BENCH_ARGS="10000 --no-postgres")
	@$(BIN)/python -m tests.bench.matching $(BENCH_ARGS)

bench-matched: setup    ## from changed profiles to stored memberships and their topic, at 10,000 pools, beside a bare loop (BENCH_ARGS=POOLS)
	@$(BIN)/python -m tests.bench.matched $(BENCH_ARGS)

bench-backfill: setup    ## a pool made where many people are stored: until they are stored, listed and told (BENCH_ARGS="20000 200000 1000000")
	@$(BIN)/python -m tests.bench.backfill $(BENCH_ARGS)

bench-gateway: setup    ## the windows beside other limiters, and a request's way from topic to topic (BENCH_ARGS="windows topics two idiomatic growth"), in .venv-bench, over .venv
	@test -x .venv-bench/bin/python || $(BIN)/python -m venv .venv-bench
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$$(.venv-bench/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/over.pth"
	@$(BIN)/python -c 'import tomllib; found = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]; print(*found["bench"], sep="\n")' | .venv-bench/bin/python -m pip install -q -r /dev/stdin
	@.venv-bench/bin/python -m tests.bench.gateway $(BENCH_ARGS)

bench-vault: setup    ## how fast a rotation of the vault re-wraps a million keys (BENCH_ARGS="--keys 100000")
	@$(BIN)/python -m tests.bench.vault $(BENCH_ARGS)

test-keepers: setup    ## who keeps the vault's epoch keys, with AWS' own client against moto: in .venv-keepers, over .venv
	@test -x .venv-keepers/bin/python || $(BIN)/python -m venv .venv-keepers
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$$(.venv-keepers/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/over.pth"
	@$(BIN)/python -c 'import tomllib; found = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]; print(*found["aws"], *found["keepers"], sep="\n")' | .venv-keepers/bin/python -m pip install -q -r /dev/stdin
	@.venv-keepers/bin/python -m pytest -q -p no:cacheprovider tests/ports/test_keepers.py

bench-courier: setup    ## letters written and handed over, beside bare aiosmtplib with the same pool and the same bytes
	@$(BIN)/python -m tests.bench.courier

bench-rebuild: setup    ## the windows of a million people built anew, with others deciding meanwhile (BENCH_ARGS="--part 10": a tenth)
	@$(BIN)/python -m tests.bench.rebuild $(BENCH_ARGS)

bench-signatures: setup    ## what signing and checking cost a record, beside encoding and decoding it
	@$(BIN)/python -m tests.bench.signatures

bench-patience: setup    ## how long people and senders wait where employers are told once a day (BENCH_ARGS=PEOPLE)
	@$(BIN)/python -m tests.bench.patience $(BENCH_ARGS)

bench-listing: setup    ## what a listing of many people takes to decide and to tell (BENCH_ARGS=PEOPLE)
	@$(BIN)/python -m tests.bench.listing $(BENCH_ARGS)

bench-growth: setup    ## what one more costs at 1, 10 and 100 times the data, to bench/growth.json and docs/growth.svg (BENCH_ARGS="windows listing")
	@$(BIN)/python -m tests.bench.growth $(BENCH_ARGS)

bench-flood: setup    ## how long a withdrawal takes beside an adversary's flood, and without it (BENCH_ARGS=ROUNDS)
	@$(BIN)/python -m tests.bench.flood $(BENCH_ARGS)

attack-rows: setup    ## how many of 10,000 people two employers link by whole rows, before and after what is left out, and what recruiters lose
	@$(BIN)/python -m tests.bench.rows

attack-timings: setup    ## what the time of an answer tells an employer of the person it writes to (BENCH_ARGS=PEOPLE)
	@$(BIN)/python -m tests.bench.timings $(BENCH_ARGS)

attack-arrivals: setup    ## how many they link by the days on which people came
	@$(BIN)/python -m tests.bench.arrivals

bench-bodies: setup    ## what the worst bodies cost a stack that runs here (HOME_OF=.fairpool)
	@$(BIN)/python -m tests.bench.worst_bodies $(or $(HOME_OF),.fairpool)

pictures: setup    ## take the pictures of docs/pages anew, in Chromium on a stack of its own (each page whole: docs/pages/whole)
	@FAIRPOOL_SCREENSHOTS=docs/pages $(BIN)/python -m pytest tests/e2e/test_browser.py

check: setup    ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

format: setup    ## let ruff lay out the code
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

schemas: setup    ## write the JSON schemas of all events, and of what vendors send, again (review the difference)
	@$(BIN)/python -m shared.contracts.schema_files
	@$(BIN)/python -m services.signup.api.partner_schema

lock: setup    ## write both lock files again from pyproject.toml (needs uv); requirements-run.lock is the image's
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --extra local --extra dev --extra traces pyproject.toml -o requirements.lock
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --constraint requirements.lock --extra image --extra traces pyproject.toml -o requirements-run.lock
