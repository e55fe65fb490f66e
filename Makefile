# `make demo` and `make test` do all; `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --progress-bar off --no-compile
# In half of pip's time; pip stands in where only pip knows the way to the packages.
install = $(BIN)/uv pip install --quiet --python $(BIN)/python $(1) || $(PIP) $(1)

.PHONY: help setup demo test lint colcon sample-bag bench-models study lock clean
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.run ## set up .venv with what the program needs (no torch)

demo: setup ## the main job on the sample bag, live and offline; leaves out/demo
	$(BIN)/semalign demo --out out/demo --overwrite

test: $(VENV)/.test ## set up everything and run all tests
	@# By file: what a module's fixture trains or exports is made once. One thread a process and core.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.test ## ruff and strict mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

colcon: $(VENV)/.test ## build and test the package as ROS users do
	PATH="$(CURDIR)/$(BIN):$$PATH" .ci/colcon

sample-bag: setup ## render the sample bag anew
	rm -rf out/street_demo_frames
	$(BIN)/semalign render out/street_demo_frames --drive demo --size 768x384 --seed 5 \
	  --split val --jpg 88
	$(BIN)/semalign convert cityscapes out/street_demo_frames rosbags/street_demo --split val \
	  --image-format jpg --compression zstd-chunk --overwrite

bench-models: $(VENV)/.test ## export public models at full size, with random weights, to out/bench
	$(BIN)/semalign bench models --overwrite

study: $(VENV)/.test ## what size and family buy: train, evaluate, compare (DATA=cityscapes_256 CAMVID=camvid; best on a GPU)
	@test -d "$(DATA)/leftImg8bit" && test -d "$(CAMVID)/val" || \
	  { echo "give DATA=, in the Cityscapes layout, and CAMVID=, with val, valannot, train, trainannot"; exit 1; }
	.ci/study "$(BIN)" "$(DATA)" "$(CAMVID)"

lock: $(BIN)/python ## pin the newest versions that the bounds in setup.py allow
	$(PIP) uv
	$(BIN)/uv pip compile -q --universal --python-version 3.10 --no-annotate --no-emit-package semalign-ros \
	  --no-emit-index-url --no-emit-find-links requirements/run.in -o requirements/run.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.10 --no-annotate --no-emit-package semalign-ros \
	  --no-emit-index-url --no-emit-find-links -c requirements/run.txt requirements/test.in -o requirements/test.txt
	@# What torch needs depends on its build: the one for CPUs wants none of these.
	sed -i -E '/^(nvidia-|cuda-|triton==)/d' requirements/test.txt

clean: ## remove what the other targets made
	rm -rf $(VENV) out build install log

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "semalign_ros needs Python 3.10 or newer; $(PYTHON) is older. Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "venv is missing. On Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(VENV)/.run: requirements/run.txt setup.py | $(BIN)/python
	@echo "setting up $(VENV) (about a minute)"
	@$(PIP) uv || true
	@$(call install,-r requirements/run.txt)
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

# torch first: anything else that asks for torch would pull a build with several GB of CUDA.
$(VENV)/.test: requirements/test.txt $(VENV)/.run
	@echo "adding torch, transformers and the test tools (a few minutes)"
	$(PIP) 'torch==2.13.0; python_version >= "3.11"'
	@$(call install,-r requirements/test.txt)
	@touch $@
