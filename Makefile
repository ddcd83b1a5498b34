# Every target installs what it needs first; `make` alone lists them.
# VENV=FOLDER  the virtual environment (.venv)
# PYTHON=NAME  the Python to make it with (the first of python3.11 to 3.14 that is found)
# TORCH=BUILD  cpu (default), cuda, or a build's name as cu126: scripts/install.sh; remembered
VENV ?= .venv
TORCH ?= $(or $(shell cat $(VENV)/torch-build 2>/dev/null),cpu)
PYTEST_ARGS ?=

python := $(VENV)/bin/python
pytest := $(python) -m pytest $(PYTEST_ARGS)
runtime := $(VENV)/installed-$(TORCH)
dev := $(VENV)/installed-$(TORCH)-dev
# Of the command line alone: some shells export a HOST of their own.
host := $(if $(filter command,$(firstword $(origin HOST))),--host $(HOST))
# A figure measured with every core busy in every thread says nothing: one thread for each process.
one_thread := OMP_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help install install-dev serve test test-slow test-training test-postgres test-browser check format \
        train-smoke evaluate compare transduction glance backbones learning-curve yardsticks bench bench-serving bench-decoding contact-sheet results-picture readme lock docker-build clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | expand -t 18

# A stamp for each build of torch: after a change of build or of the lock, pip runs again; else not.
$(runtime): requirements.lock requirements-torch.lock pyproject.toml scripts/install.sh model/experts/counting.c
	TORCH=$(TORCH) scripts/install.sh $(VENV) requirements.lock
	@rm -f $(VENV)/installed-* && echo $(TORCH) > $(VENV)/torch-build && touch $@

$(dev): requirements-dev.lock $(runtime)
	TORCH=$(TORCH) scripts/install.sh $(VENV) requirements-dev.lock
	@touch $(runtime) $@

install: $(runtime) ## install what serving needs into .venv

install-dev: $(dev) ## install what tests, checks and training need too

serve: $(runtime) ## run the service on http://127.0.0.1:8000 (HOST=, PORT=)
	exec $(python) -m service $(host) $(if $(PORT),--port $(PORT))

test: $(dev) ## the quick tests: minutes on two cores
	$(one_thread) $(pytest) -n 2 -m "not slow and not postgres and not browser"

test-slow: $(dev) ## every slow test: hundreds of kills, ten thousand drawings, training (half an hour)
	$(one_thread) $(pytest) --timeout 900 -m slow

test-training: $(dev) ## meta-training: experts, killed and resumed, shared by processes, and a minute that learns
	$(one_thread) $(pytest) --timeout 900 -m slow tests/scripts/test_meta_train.py tests/scripts/test_train_experts.py

test-postgres: $(dev) ## the store's promises on PostgreSQL
	$(one_thread) $(pytest) -m "postgres and not slow"

test-browser: $(dev) ## the tests that drive Chromium (Debian: chromium)
	$(one_thread) $(pytest) -m browser

check: $(dev) ## ruff, its formatter and mypy --strict: what CI asks
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: $(dev) ## let ruff mend what it can
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

train-smoke: $(dev) ## meta-train for a minute on generated pictures
	$(python) scripts/meta_train.py scripts/configs/smoke.toml --work $(or $(WORK),runs/smoke)

evaluate: $(dev) ## measure the shipped weights (DATA="DIR ...", VALIDATION=, FONTS=, ICONS=; see docs/benchmarks.md)
	$(python) scripts/evaluate.py $(foreach each,$(DATA),--data $(each)) \
	  $(foreach each,$(VALIDATION),--validation $(each)) $(foreach each,$(FONTS),--fonts $(each)) \
	  $(foreach each,$(ICONS),--icons $(each)) $(if $(DATA),,--out runs/evaluate/report)

evaluate-experts: $(dev) ## measure the experts, alone and together (DATA="DIR ...", VALIDATION=)
	$(python) scripts/evaluate_experts.py $(foreach each,$(DATA),--data $(each)) \
	  $(foreach each,$(VALIDATION),--validation $(each))

compare: $(dev) ## all learners and peers on the same tasks (folders as for evaluate; see docs/learners.md)
	$(python) scripts/compare_learners.py $(foreach each,$(DATA),--data $(each)) \
	  $(foreach each,$(VALIDATION),--validation $(each)) $(foreach each,$(FONTS),--fonts $(each)) \
	  $(foreach each,$(ICONS),--icons $(each)) $(if $(DATA),,--out runs/evaluate/report)

transduction: $(dev) ## what the waiting batch could teach (folders as for evaluate)
	$(python) scripts/transduction.py $(foreach each,$(DATA),--data $(each)) \
	  $(foreach each,$(VALIDATION),--validation $(each))

glance: $(dev) ## whether the encoder at fewer pixels could settle pictures (folders as for evaluate)
	$(python) scripts/glance.py $(foreach each,$(DATA),--data $(each)) \
	  $(foreach each,$(VALIDATION),--validation $(each))

backbones: $(dev) ## larger networks and inputs, frozen (folders as for evaluate)
	$(python) scripts/backbones.py $(foreach each,$(DATA),--data $(each)) \
	  $(foreach each,$(VALIDATION),--validation $(each))

learning-curve: $(dev) ## less data, fewer tasks, smaller heads (folders as for evaluate, VIEWS=the work folder of meta_train)
	$(python) scripts/learning_curve.py $(foreach each,$(DATA),--data $(each)) \
	  $(foreach each,$(VALIDATION),--validation $(each)) --views $(VIEWS)

yardsticks: $(dev) ## published figures: sinusoids, quadratics, navigation; OMNIGLOT=DIR for the 20 runs
	$(python) scripts/sinusoid.py
	$(python) scripts/quadratics.py
	$(python) scripts/navigation.py
	$(if $(OMNIGLOT),$(python) scripts/omniglot.py --data $(OMNIGLOT) --work runs/omniglot)

bench: $(dev) ## pictures a second over HTTP, and where the time goes
	$(python) scripts/bench_http.py

bench-serving: $(dev) ## the service beside FastAPI, LitServe, BentoML and Ray Serve (DATA=DIR, PEERS=VENV; docs/serving.md)
	$(python) scripts/bench_serving.py $(if $(DATA),--folder $(DATA)) $(if $(PEERS),--peers-python $(PEERS)/bin/python)

bench-decoding: $(dev) ## ways to decode, for speed and drift (DATA="DIR ..."; docs/decoding.md)
	$(one_thread) $(python) scripts/bench_decoding.py $(foreach each,$(DATA),--folder $(each))

contact-sheet: $(dev) ## draw the generator's contact sheet for docs/generator.md
	$(python) scripts/contact_sheet.py

results-picture: $(dev) ## draw the picture of results in README.md
	$(python) scripts/results_picture.py

readme: $(dev) ## run README.md's session and write what it answers into README.md
	STANDIN_TEST_WRITE_README=1 $(python) -m pytest -q tests/test_readme.py

lock: ## resolve pyproject.toml into the lock files again (UPGRADE=1 moves every pin)
	UPGRADE=$(UPGRADE) scripts/lock.sh $(or $(PYTHON),python3.11)

docker-build: ## build the container image standin:latest
	docker build --tag standin .

clean: ## remove caches (the virtual environment and data stay)
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
	find model service scripts tests -name __pycache__ -prune -exec rm -rf {} +
