# `make demo` and `make test` need Python 3.11 or later and make, nothing else.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
DEMO   := out/demo

# Two threads under load make times vary tenfold; one is steady.
ONE    := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help setup peers demo test test-slow verify-all lint golden gallery fuzz random resume faults experiments bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 13

setup: $(READY) ## make .venv with everything

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("archc needs Python 3.11 or later" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[torch,dev]'
	touch $@

demo: $(READY) ## check, build, draw and train LeNet-5 on real images
	$(BIN)/archc check specs/lenet5.arch
	$(BIN)/archc build specs/lenet5.arch -o $(DEMO) --emit model,svg,png,json
	rm -rf $(DEMO)/run
	$(ONE) $(BIN)/archc train specs/lenet5.arch --recipe demo -o $(DEMO)/run
	@echo
	@echo "Look at:"
	@echo "  $(DEMO)/lenet5.png           the diagram"
	@echo "  $(DEMO)/lenet5.py            the PyTorch module"
	@echo "  $(DEMO)/run/curve.png        how training went"
	@echo "  $(DEMO)/run/predictions.png  what it says of test images; kernels.png, confusion.png"
	@echo "  $(DEMO)/run/best.safetensors the trained weights"

test: $(READY) peers ## run the tests
	$(ONE) $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-slow: $(READY) ## run the tests that take long: every network at other sizes, type checks
	$(ONE) $(BIN)/python -m pytest -n 2 --dist worksteal -m slow

# torchvision is no part of archc: its networks are what emitted ones are held against. Without its
# dependencies, so that it brings no torch of its own; tests that need it skip where it is absent.
peers: $(READY) ## install what the tests compare with, if it can be had
	-@$(BIN)/python -c 'import importlib.metadata as m; m.version("torchvision")' 2> /dev/null \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps torchvision==0.28.0 \
	  || echo "torchvision could not be installed: tests of its checkpoints will skip"

verify-all: $(READY) peers ## prove all of specs/ against PyTorch, every network; takes long
	$(ONE) $(BIN)/archc verify specs/*.arch
	$(ONE) ARCHC_ALL=1 $(BIN)/python -m pytest -q \
	  tests/test_checkpoints.py tests/test_verify.py tests/test_transforms.py

lint: $(READY) ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

golden: $(READY) ## rewrite golden files and error screens; look at the diff
	$(ONE) $(BIN)/python -m pytest -q --update-golden

fuzz: $(READY) ## any text gives a graph or diagnostics: longer than in the tests
	$(ONE) ARCHC_FUZZ=1 $(BIN)/python -m pytest -q tests/test_hostile.py

random: $(READY) ## many more random networks against PyTorch
	$(ONE) ARCHC_RANDOM=10000 $(BIN)/python -m pytest -q tests/test_random_networks.py

resume: $(READY) ## 20 training runs, killed at random moments, go on bit by bit
	$(ONE) ARCHC_RESUME=20 $(BIN)/python -m pytest -q -s tests/test_train_resume.py -k processes

gallery: $(READY) ## rewrite docs/systems.md and its diagrams, and docs/commands.md
	$(BIN)/python docs/commands.py
	$(BIN)/python docs/gallery.py

experiments: $(READY) ## the lectures' experiments, docs/experiments.md anew; hours, goes on where it stopped
	$(ONE) $(BIN)/python bench/experiments.py

faults: $(READY) ## put single mistakes into every spec, count what is found; docs/faults.md anew
	$(ONE) $(BIN)/python -m bench.faults --write docs/faults.md

bench: $(READY) ## times as ratios, see docs/benchmarks.md
	$(BIN)/python bench/startup.py
	$(BIN)/python bench/chain.py
	$(ONE) $(BIN)/python bench/train_throughput.py
	$(BIN)/python bench/depth.py
	$(BIN)/python bench/recheck.py

clean: ## remove what was made
	rm -rf $(VENV) out runs build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
