# make help    lists the targets
PYTHON ?= python3
BIN := .venv/bin
TESTS ?= tests
# number of test processes; tests/conftest.py distributes the tests
WORKERS ?= 3
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help demo cluster cluster-down cluster-status images test test-fast lint format bench docs pictures clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo:  ## send a recording, show transcript and answer  [AUDIO=file PROMPT=text MODEL=name KEEP=1 PORT=8080]
	@$(PYTHON) local/bootstrap.py demo
	@$(BIN)/python -m speechlocal demo $(if $(AUDIO),--audio "$(AUDIO)") $(if $(PROMPT),--prompt "$(PROMPT)") \
	  $(if $(MODEL),--model "$(MODEL)") $(if $(KEEP),--keep) $(if $(PORT),--port "$(PORT)")

cluster: .dev  ## run the platform on Kubernetes on this machine  [NAME=cluster PORT=8088]
	@$(BIN)/python -m speechlocal cluster up $(if $(NAME),--name "$(NAME)") $(if $(PORT),--port "$(PORT)")

cluster-down: .dev  ## delete the cluster; build caches stay  [NAME=cluster]
	@$(BIN)/python -m speechlocal cluster down $(if $(NAME),--name "$(NAME)")

cluster-status: .dev  ## show the status of the cluster  [NAME=cluster]
	@$(BIN)/python -m speechlocal cluster status $(if $(NAME),--name "$(NAME)") || true

images: .dev  ## build the container images  [ONLY="bridge whisper" LOAD=cluster RELEASE=1 SBOM=folder]
	@$(BIN)/python -m speechlocal images $(if $(ONLY),--only $(ONLY)) $(if $(LOAD),--load "$(LOAD)") \
	  $(if $(RELEASE),--release) $(if $(SBOM),--sbom "$(SBOM)")

test: .dev  ## run all tests, every tier  [TESTS=tests/operator WORKERS=3]
	@$(BIN)/python -m speechlocal prepare
	@$(PYTEST) $(TESTS)

test-fast: .dev  ## run the unit and component tests
	@$(BIN)/python -m speechlocal prepare --fast
	@$(PYTEST) -m "unit or component" $(TESTS)

lint: .dev  ## run ruff, mypy --strict, import-linter and the changelog check
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python .ci/changelog.py

format: .dev  ## format and auto-fix with ruff
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: .dev  ## run the benchmarks
	@$(BIN)/python benchmarks/run.py

docs: .dev  ## regenerate the reference and build the documentation site
	@$(BIN)/python docs/generate.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "the site: file://$(CURDIR)/build/site/index.html"

pictures: .dev  ## take the pictures in docs/pictures again, from a cluster with some traffic  [NAME=cluster]
	@E2E_CLUSTER=$(or $(NAME),speechpipeline) $(BIN)/python -m pytest --quiet tests/e2e/pictures.py

clean:  ## delete what make created in this folder (caches in ~/.cache/speechpipeline stay)
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis benchmarks/results build/site

.PHONY: .dev
.dev:
	@$(PYTHON) local/bootstrap.py dev
