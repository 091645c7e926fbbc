# Millpond: the verbs a person types. Each one calls the CLI; `make help` lists them.

PYTHON ?= python3# any Python 3 with pip: it only sets up the environment
TABLES ?=# for ingest: source tables, for example "erp.orders erp.customers"; all when empty
SQL ?= select count(*) from tpch.lineitem# for query
TABLE ?=# for approve and reject: one source table
RUN ?=# for replay: the name of its execution
TIER ?=# embedded or compose; what the stack is made of
JOB ?= millpond-dev-ingest-shell# for logs
CHANGES ?= 500# for workload: how many rows it changes

ifneq ($(TIER),)
export MILLPOND_TIER := $(TIER)
endif

# In containers: what is about them, and those end-to-end tests that could come out otherwise there.
IN_COMPOSE = $(filter compose,$(MILLPOND_TIER))
TESTS = $(if $(IN_COMPOSE),-m both_tiers tests/compose tests/e2e,-m "not long and not chaos and not foreign")

MILLPOND := $(or $(MILLPOND_HOME),.millpond)/venvs/harness/bin/millpond
BIN := $(dir $(MILLPOND))
# Which tests one worker runs, and that the longest start first, is in tests/conftest.py.
PYTEST = $(BIN)pytest --cache-clear -n $(if $(IN_COMPOSE),2,3) --dist loadscope --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev toolchain doctor up down status deploy plan destroy package load workload ingest replay approve reject verify cost query logs demo dev test test-long test-all test-again test-chaos test-foreign unit coverage lint checkov format pictures coverage-docs lock clean

help: ## List the verbs
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:
	@$(PYTHON) -m millpond.toolchain.bootstrap --quiet --plugin=lake

setup-dev:
	@$(PYTHON) -m millpond.toolchain.bootstrap --quiet --plugin=lake --dev

toolchain: setup-dev
	@$(MILLPOND) doctor --quiet

##@ The two that matter
demo: setup ## Set everything up, run the whole lake, show source and lake side by side
	@$(MILLPOND) demo

test: setup-dev ## Every check and nearly every test, on a stack of its own
	@$(MAKE) --no-print-directory -j 2 $(if $(IN_COMPOSE),,lint) toolchain
	@$(PYTEST) $(TESTS)

test-long: toolchain ## The scenarios that make test leaves out: deployments that go wrong, change, and end; roles and alarms at work
	@$(PYTEST) -m long

test-all: setup-dev ## make test and make test-long as one session, as continuous integration runs them
	@$(MAKE) --no-print-directory -j 2 lint toolchain
	@$(PYTEST) -m "not chaos and not foreign"

test-again: ## What failed in the last session, one test after the other
	@$(BIN)pytest --last-failed --last-failed-no-failures none -v $(if $(IN_COMPOSE),-m both_tiers tests/compose tests/e2e,)
	@echo "These failed beside others and pass alone: a race or a deadline to be mended."

test-chaos: toolchain ## A fault at 40 points of the ingest, each one mended by the next run
	@$(BIN)pytest -m chaos

coverage: toolchain ## Which lines and branches tests run, in every process of the harness; fails below the floor
	@$(BIN)coverage erase
	@$(BIN)coverage run -m pytest -q -n 2 --dist loadscope --no-loadscope-reorder -m "not long and not chaos and not foreign" tests/unit tests/integration
	@$(BIN)coverage combine -q
	@$(BIN)coverage report --skip-covered --sort=cover

test-foreign: toolchain ## Suites of other projects and long sweeps, by hand
	@$(PYTEST) -m foreign

##@ The stack
up: setup ## Start the engine and the on-premises database
	@$(MILLPOND) up

down: setup ## Stop them
	@$(MILLPOND) down

status: setup ## Show what runs, where, and what is deployed
	@$(MILLPOND) status

doctor: setup ## Find or install the toolchain and show it
	@$(MILLPOND) doctor

clean: ## Stop everything and remove all that Millpond made in this checkout
	@if [ -x $(MILLPOND) ]; then $(MILLPOND) clean; fi
	@rm -rf $(or $(MILLPOND_HOME),.millpond) dist

##@ The platform
deploy: setup ## Make the stack of the build, and let the build run Terraform
	@$(MILLPOND) deploy

plan: setup ## Show what a deployment would change
	@$(MILLPOND) plan

destroy: setup ## Remove the platform with its data, then the stack of the build
	@$(MILLPOND) destroy

package: ## Build what Terraform uploads into dist/, with the hash of each file
	@$(PYTHON) -m lake.package dist

load: setup ## Create and fill the on-premises database
	@$(MILLPOND) load

workload: setup ## Change rows in the on-premises database (CHANGES=500)
	@$(MILLPOND) workload --changes $(CHANGES)

ingest: setup ## Run the state machine (TABLES="erp.orders …", all that are due by default)
	@$(MILLPOND) ingest $(TABLES)

replay: setup ## Finish a run that failed (RUN=…, TABLES="…")
	@$(MILLPOND) replay $(RUN) $(TABLES)

approve: setup ## Let a run take a change of the source's schema (TABLE=erp.orders)
	@$(MILLPOND) approve $(TABLE)

reject: setup ## Let it leave that table as it is (TABLE=erp.orders)
	@$(MILLPOND) reject $(TABLE)

verify: setup ## Compare every table with the source, row by row
	@$(MILLPOND) verify

cost: setup ## What the last run and a month would cost on AWS
	@$(MILLPOND) cost

query: export MILLPOND_QUERY := $(value SQL)
query: setup ## Ask Athena (SQL="…")
	@$(MILLPOND) query "$$MILLPOND_QUERY"

logs: setup ## Show the last run of a Glue job (JOB=…)
	@$(MILLPOND) logs $(JOB)

##@ Working on Millpond
dev: setup ## Bring each change of glue_jobs/ and lambdas/ to the running stack
	@$(MILLPOND) dev

unit: setup-dev ## The unit tests alone
	@$(BIN)pytest tests/unit

lint: setup-dev ## Lint, formatting and types
	@$(BIN)ruff check --quiet .
	@$(BIN)ruff format --quiet --check .
	@$(BIN)mypy --no-error-summary
	@for handler in lambdas/*/handler.py; do $(BIN)mypy --no-error-summary $$handler || exit; done

checkov: setup ## What checkov says of terraform/ and CFN/, with no network; installs it first
	@$(BIN)python -m lake.checkov

format: setup-dev ## Put the code into its format
	@$(BIN)ruff format --quiet .
	@$(BIN)ruff check --quiet --fix .

pictures: setup-dev ## Draw the pictures of the documents; needs Graphviz
	@$(BIN)python media/draw.py
	@$(BIN)python media/house.py

coverage-docs: setup-dev ## Write docs/coverage anew, from the tables that the code is run by
	@$(BIN)python -m millpond.localstack_ext.coverage docs/coverage
	@cd tests && $(abspath $(BIN))/python -m terraform_types.document

lock: setup-dev ## Lock every environment anew
	@sh requirements/lock.sh
