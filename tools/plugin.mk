# The plugin's own commands. Inside Rapid7's repository, its tools/Makefiles add more.
#   PYTHON=python3.13    the interpreter for the tests: with insightconnect-plugin-runtime and requirements.txt installed
PYTHON  ?= python3
NAME    := $(shell sed -n 's/^name: *//p' plugin.spec.yaml)
VENDOR  := $(shell sed -n 's/^vendor: *//p' plugin.spec.yaml)
VERSION := $(shell sed -n 's/^version: *//p' plugin.spec.yaml)

.DEFAULT_GOAL := help
-include $(wildcard ../../tools/Makefiles/*.mk)

.PHONY: help test validate regenerate image export

help: ## list the targets
	@echo "$(VENDOR)/$(NAME) $(VERSION)"
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' Makefile

test: ## run unit_test/: pure decisions, and all actions over HTTP against a stand-in for HaloITSM
	cd unit_test && PYTHONPATH=.. PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m unittest

validate: ## run all of Rapid7's rules (needs icon-validator, git, docker and the internet)
	icon-validate --all .

regenerate: ## write the generated files anew from plugin.spec.yaml (needs insight-plugin)
	insight-plugin refresh

image: ## build the image (needs docker)
	docker build --pull --platform linux/amd64 --tag $(VENDOR)/$(NAME):$(VERSION) .

export: image ## write the .plg that InsightConnect imports (needs docker)
	docker save $(VENDOR)/$(NAME):$(VERSION) | gzip > $(VENDOR)_$(NAME)_$(VERSION).plg
