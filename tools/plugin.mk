# The plugin's own commands. Inside Rapid7's repository, its tools/Makefiles add more.
#   PYTHON=...    an interpreter that has insightconnect-plugin-runtime and requirements.txt installed, for make test
#   VENV=...      where make test makes an environment that has them, if PYTHON is not given (Python 3.11 or newer)
NAME    := $(shell sed -n 's/^name: *//p' plugin.spec.yaml)
VENDOR  := $(shell sed -n 's/^vendor: *//p' plugin.spec.yaml)
VERSION := $(shell sed -n 's/^version: *//p' plugin.spec.yaml)

SDK     := $(shell sed -n '/^sdk:/,/^[a-z]/s/^  version: *//p' plugin.spec.yaml)
# Not in the plugin's folder, all of whose Python files Rapid7's rules read.
VENV    ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/$(NAME)-unit-test-$(SDK)-$(firstword $(shell cksum requirements.txt))

.DEFAULT_GOAL := help
-include $(wildcard ../../tools/Makefiles/*.mk)

.PHONY: help test validate regenerate image export

help: ## list the targets
	@echo "$(VENDOR)/$(NAME) $(VERSION)"
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' Makefile

test: $(if $(PYTHON),,$(VENV)/.complete) ## run unit_test/: pure decisions, and all actions over HTTP against a stand-in for HaloITSM
	cd unit_test && PYTHONPATH=.. PYTHONDONTWRITEBYTECODE=1 "$(or $(PYTHON),$(VENV)/bin/python)" -m unittest

$(VENV)/.complete:
	python3 -m venv --clear "$(VENV)"
	"$(VENV)/bin/python" -m pip install --quiet "insightconnect-plugin-runtime==$(SDK)" -r requirements.txt
	touch "$@"

validate: ## run all of Rapid7's rules (needs icon-validator, git, docker and the internet)
	icon-validate "$(CURDIR)" --all

regenerate: ## write the generated files anew from plugin.spec.yaml (needs insight-plugin)
	insight-plugin refresh

image: ## build the image (needs docker)
	docker build --pull --platform linux/amd64 --tag $(VENDOR)/$(NAME):$(VERSION) .

export: image ## write the .plg that InsightConnect imports (needs docker)
	docker save $(VENDOR)/$(NAME):$(VERSION) | gzip > $(VENDOR)_$(NAME)_$(VERSION).plg
