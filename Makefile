# Everything that is done with this repository, one target each. Each target makes the virtual environment it needs
# (tools/venv.sh), outside the repository.
#   PYTHON=python3.13      run on another interpreter
#   HALOITSM_VENVS=DIR     keep environments and build caches elsewhere (default: the user's cache directory)

# The version is written down in plugin.spec.yaml and nowhere else.
VERSION := $(shell sed -n 's/^version: *//p' plugin.spec.yaml)

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
# Without it, the tools would leave __pycache__ in bin/, which Rapid7's checksum takes for the plugin's entry point.
export PYTHONDONTWRITEBYTECODE := 1

# The locks that pip-audit looks up. rapid7 is left out: its versions are Rapid7's choice, and it runs on our own files.
AUDITED := image develop remediation style supply-chain lock ansible

# Usage: $(call in,LOCK) COMMAND runs a command of the environment that requirements/LOCK.txt describes.
in = venv=$$(tools/venv.sh $(1)) && "$$venv"/bin/

.DEFAULT_GOAL := help
.PHONY: help demo demo-plugin demo-remediation serve screens test test-plugin test-remediation test-browser test-long test-postgres15 check-generated regenerate plugin validate workflows check-workflows check-playbooks style style-black style-plugin style-service types image export image-check plg-check \
        release-check client-check sbom audit lock clean bench bench-plugin bench-remediation faults fuzz proof soak storm walk

help: ## list the targets
	@echo "HaloITSM plugin $(VERSION) for InsightConnect"
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/  make \1|\2/p' Makefile | column -t -s '|'

# Usage: $(call remediation,ARGUMENTS) runs python in the service's environment and folder, on the tree as it is.
remediation = venv=$$(tools/venv.sh remediation) && cd remediation && \
    PYTHONPATH=src:.:../haloitsm_client/src:.. "$$venv"/bin/python $(1)

demo: demo-plugin demo-remediation ## drive plugin and service end to end, against stand-ins (plugin: or HALO_* variables)

demo-plugin: ## a ticket's life and a trigger's event, through the plugin's real entry point
	@venv=$$(tools/venv.sh develop) && trap '' INT && exec "$$venv"/bin/python -m tools.demo # it takes Ctrl-C by itself

# Importing takes a second, and nothing is begun by then: Ctrl-C just ends it. Later on main takes it.
demo-remediation = import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); import stand_ins.demo; exit(stand_ins.demo.main())

demo-remediation: ## findings of a stand-in console to tickets and back
	@venv=$$(tools/venv.sh remediation) && trap '' INT && cd remediation && \
	    PYTHONPATH=src:.:../haloitsm_client/src:.. exec "$$venv"/bin/python -c "$(demo-remediation)"

serve: ## the service on its own database (ARGS="--address HOST:PORT --data DIR"; DEMO=1: with stand-ins and a world to look at)
	@$(call remediation,-m $(if $(DEMO),stand_ins.serve,remediation.cli serve) $(ARGS))

# Measuring coverage takes more than half as much time again, so a job of its own does it (.github/workflows/ci.yml).
cov = $(if $(COVERAGE),--cov --cov-report=term)

test: test-plugin test-remediation ## run all tests (COVERAGE=1: measure lines and branches, and fail below the floors)

test-plugin: ## the plugin's tests (TESTS=... for some)
	@$(call in,develop)python -m pytest -n 2 --dist worksteal $(cov) $(TESTS)

test-remediation: ## the service's tests, mypy, and its pages in a browser
	@$(call remediation,-m mypy)
	@$(call remediation,-m pytest -n 2 --dist worksteal -q --ignore tests/browser $(if $(COVERAGE),-m "") $(cov))
	@$(MAKE) --no-print-directory test-browser

# Usage: $(call in-browser,WHAT,ARGUMENTS) runs python with Chromium, or says why not.
in-browser = code=0; REMEDIATION_CHROMIUM=$$(tools/chromium.sh) || code=$$?; \
    if [ $$code = 77 ]; then echo "SKIPPED: $(1), because Chromium cannot be had here (see above)"; exit; fi; \
    test $$code = 0 && export REMEDIATION_CHROMIUM && $(call remediation,$(2))

test-browser: ## the pages in a real Chromium, over make serve DEMO=1 (in one process: they share one world)
	@$(call in-browser,the browser tests,-m pytest -q tests/browser)

screens: ## a picture of every page, wide and narrow, light and dark, and a contact sheet (ARGS=FOLDER; default: dist/screens)
	@$(call in-browser,the pictures,-m stand_ins.screens $(or $(ARGS),../dist/screens))

test-long: ## the service's tests that take long: deaths at each point, the server as processes, what waits for minutes
	@$(call remediation,-m pytest -n 2 --dist worksteal -q -m long --ignore tests/browser)

walk: ## days of kills, freezes, faults and races between scans, people and HaloITSM (STORIES=240, of 25 steps; SEED=1)
	@export HALOITSM_WALK=$(or $(STORIES),240) HALOITSM_HYPOTHESIS=explore; \
	    $(call remediation,-m pytest -q -s --hypothesis-seed=$(or $(SEED),1) tests/walk tests/investigations/test_walk.py tests/jobs/test_frozen_worker.py)

test-postgres15: ## the service's tests of the store, on Debian's PostgreSQL 15
	@code=0; REMEDIATION_TEST_POSTGRES_BIN=$$(tools/postgres15.sh) || code=$$?; \
	    if [ $$code = 77 ]; then echo "SKIPPED: the tests of the store on PostgreSQL 15, which cannot be had here (see above)"; exit; fi; \
	    test $$code = 0 && export REMEDIATION_TEST_POSTGRES_BIN && \
	    $(call remediation,-m pytest -n 2 --dist worksteal -q -m "" tests/store)

check-generated: ## fail where a generated file is not what the spec generates
	@$(call in,rapid7)python -m tools.check_generated

regenerate: ## write the generated files anew from plugin.spec.yaml
	@$(call in,rapid7)python -m tools.check_generated --write

plugin: ## write the plugin's own folder, as it would stand in Rapid7's repository, to dist/plugins
	@$(call in,develop)python -m tools.plugin_folder

validate: ## run all of Rapid7's rules on that folder, with the look-ups that leave the machine answered locally
	@$(call in,rapid7)python -m tools.validate

workflows: ## write the workflows that InsightConnect can import to workflows/, from their descriptions there
	@$(call in,develop)python -m tools.workflows

check-workflows: ## fail where one is not what its description makes, does not hold together or breaks a rule of Rapid7
	@$(call in,develop)python -m tools.workflows --check
	@$(call in,rapid7)python -m tools.workflows.rules

check-playbooks: ## write Ansible playbooks of examples, with hostile texts, and look at them with Ansible's own tools
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	    ($(call remediation,-m stand_ins.playbooks "$$folder")) && $(call in,ansible)python -m tools.check_playbooks "$$folder"

# Two at once, for each looks at its files on one core; all of them, whatever the first says.
style: ## black and prospector as Rapid7's repository runs them, for the service with a profile of its own
	@$(MAKE) --no-print-directory --keep-going --jobs 2 --output-sync=target style-service style-plugin style-black

style-black:
	@$(call in,style)black --version && "$$venv"/bin/black --check --quiet --diff .

style-plugin:
	@$(call in,style)prospector --no-external-config --profile prospector.yaml .

style-service:
	@venv=$$(tools/venv.sh style) && cd remediation && "$$venv"/bin/prospector --no-external-config --profile prospector.yaml .

types: ## mypy on everything that is not generated
	@$(call in,develop)python -m mypy

image: ## build the image: with docker where an engine answers, else with buildah on a stand-in base
	@$(call in,develop)python -m tools.image

export: ## write the .plg that InsightConnect imports to dist/, or without docker one named -standin, for checks (ARGS=--twice: prove that it is reproducible)
	@$(call in,develop)python -m tools.export_plg $(ARGS)

image-check: $(if $(BUILT),,export) ## run the exported image as nobody against the emulator (BUILT=1: the one in dist/)
	@$(call in,develop)python -m tools.image_check

plg-check: $(if $(BUILT),,export) ## open the exported .plg and check what is in it (BUILT=1: the one in dist/)
	@$(call in,develop)python -m tools.plg_check $(ARGS)

release-check: ## fail where spec, changelog, help, setup, checksum or tag disagree on the version
	@$(call in,develop)python -m tools.release_check

client-check: ## install the client by itself into an empty environment and create a ticket with it
	@$(call in,develop)python -m tools.client_check

bench: bench-plugin $(if $(ARGS),,bench-remediation) ## the benchmarks of plugin and service (with ARGS: the plugin's)

bench-plugin: ## the plugin's benchmarks (ARGS="--quick", names, --json FILE)
	@$(call in,develop)python -m tools.bench $(ARGS)

bench-remediation: ## the service's benchmarks, at up to a million findings (ARGS as for bench-plugin)
	@$(call remediation,-m bench $(ARGS))

faults: ## every action and trigger by every fault of the stand-in, as a table (ARGS="--json FILE")
	@$(call in,develop)python -m tools.faults $(ARGS)

storm: ## a thousand changes while a trigger is killed and everything fails (ARGS="--trigger all --changes N --seed N")
	@$(call in,develop)python -m tools.storm $(ARGS)

soak: ## the whole plugin under mixed faults, ten minutes (ARGS="--minutes N --seed N --json FILE")
	@$(call in,develop)python -m tools.soak $(ARGS)

fuzz: ## coverage-guided fuzzing of the webhook parser (ARGS="--seconds N")
	@$(call in,develop)python -m tools.fuzz $(ARGS)

proof: ## run or collect all of these and write docs/proof.md (ARGS="--bench F --faults F --storm F --soak F")
	@$(call in,develop)python -m tools.proof $(ARGS)

sbom: ## write the software bills of materials (CycloneDX), of the image's and of the service's Python packages, to dist/
	@$(call in,supply-chain)python -m tools.sbom

audit: ## look the locked versions up in the vulnerability data bases (needs the internet)
	@echo "This asks the vulnerability data bases on the internet, and can only fail where they cannot be reached."
	@$(call in,supply-chain)pip-audit --version && failed=; for name in $(AUDITED); do \
	    echo "requirements/$$name.txt"; \
	    "$$venv"/bin/pip-audit --disable-pip --require-hashes --requirement requirements/$$name.txt || failed=1; \
	done; test -z "$$failed"

lock: ## resolve the dependencies anew and write the lock files
	@for name in lock base image develop remediation rapid7 style supply-chain ansible; do \
	    $(call in,lock)uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 \
	        --no-emit-index-url --custom-compile-command 'make lock' \
	        requirements/$$name.in --output-file requirements/$$name.txt; \
	done

clean: ## remove what builds and tests leave in the tree (not the caches outside of it)
	rm -rf build dist *.egg-info .coverage .coverage.* remediation/.coverage remediation/.coverage.* htmlcov .hypothesis .mypy_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
