# make demo: install and run on the clip that comes with the package.
# make test: install the developer's tools, then lint, types, formatting and tests; WORKERS=8 for
# eight test processes instead of two.
# make fuzz: about ten minutes of damaged files and hostile values; more with FUZZ_ROUNDS=9000.
# make docs: the documentation as a site; open site/index.html. Warnings are errors.
# Another Python: make demo PYTHON=python3.12

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SETTINGS := pyproject.toml constraints.txt
# The variable reaches the isolated build as well, where the option alone would not. Modules are
# compiled when they are first imported, not all 20,000 of the developer's tools at once.
PIP := PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --no-compile -c constraints.txt

.PHONY: demo test fuzz lint docs clean

demo: $(VENV)/.core
	$(BIN)/tarvitpose demo --output results/demo
	@echo "The results are in $(CURDIR)/results/demo: open demo.mp4 there"

# One thread in each process: several for products of a few numbers only wait for each other.
WORKERS ?= 2
# The page in a real browser has time limits, so nothing else runs beside it.
BROWSER := tests/web/test_web_browser.py
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 15 --ignore $(BROWSER)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(BROWSER)

FUZZ_ROUNDS ?= 700
fuzz: $(VENV)/.dev
	FUZZ_ROUNDS=$(FUZZ_ROUNDS) $(BIN)/python -m pytest tests/fuzz

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(VENV)/.dev
	$(BIN)/zensical build --clean --strict --config-file mkdocs.yml

clean:
	rm -rf $(VENV) build dist results site .mypy_cache .pytest_cache .ruff_cache

# Empty files that say what is installed; both are made anew when the settings change.
$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.core: $(SETTINGS) | $(VENV)/.made
	$(PIP) -e '.'
	touch $@

$(VENV)/.dev: $(SETTINGS) | $(VENV)/.made
	$(PIP) -e '.[dev]'
	$(PIP) --no-deps trackers rtmlib  # their dependency opencv-python would replace the headless one
	touch $@ $(VENV)/.core
