# Each target sets up its own environment in .venv; all it needs is python3 (3.11 or later) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo miniature test lint format docs wheel lower-bounds comfyui clean

demo: $(STAMP)          ## see the collapse and the cure: outputs/demo/report.html
	$(BIN)/uncollapse demo $(ARGS)

miniature: $(STAMP)     ## train the bundled model from nothing, into the package data
	$(BIN)/python -m uncollapse.miniature.build $(ARGS)

test: $(STAMP)          ## the fast tests; ARGS="-m slow" for the long ones
	$(BIN)/python -m pytest -n auto $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.docs     ## the site, strictly and without a network: outputs/site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build $(ARGS)

wheel: $(STAMP)         ## what is published, into dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist $(ARGS) .

lower-bounds:           ## slow: a part of the tests with the oldest packages allowed; TORCH=… for another torch
	PYTHON=$(PYTHON) .ci/lower-bounds $(ARGS)

comfyui: $(STAMP)       ## the nodes inside ComfyUI's own code, which it installs for this alone
	.ci/comfyui $(ARGS)

# One call for all, so that the constraints hold for all of it.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev,all]"
	# For CLIP's vocabulary, which tests of word pairing read; its models would want torchvision.
	$(BIN)/python -m pip install --quiet --no-deps "open_clip_torch==3.3.0"
	touch $(STAMP)

$(VENV)/.docs: $(STAMP)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) outputs dist build .pytest_cache .ruff_cache .mypy_cache .hypothesis
