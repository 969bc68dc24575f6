# Each target calls one program. Without make: python -m acrnn_lib --help
#   make reproduce                                 everything, on synthetic sound, no network
#   make reproduce DATASET=esc10 PROFILE=lite DATA=/path/to/ESC-10
#   make reproduce SCHEDULER=tcp://127.0.0.1:8786  cross-validation on Dask workers
PYTHON  ?= python3
DATASET ?= synth
PROFILE ?= smoke
DATA    ?=
SCHEDULER ?=
ARGS    ?=

BIN := .venv/bin
WHAT := --dataset $(DATASET) --profile $(PROFILE) $(if $(DATA),--data "$(DATA)")
WHERE := $(if $(SCHEDULER),--scheduler "$(SCHEDULER)")
REPRODUCE := $(BIN)/python -m acrnn_lib reproduce $(WHAT) $(WHERE)
# kernels of this environment go before those of the user or the system
export JUPYTER_PREFER_ENV_PATH = 1
# the extras that `make env` installs
EXTRAS := notebooks book dask dev
# threads that wait go to sleep soon, instead of keeping other programs from working
export GOMP_SPINCOUNT ?= 20000

.PHONY: env reproduce test test-lowest faults mutants audit book pdf lab app bench clean
.DELETE_ON_ERROR:

env: .venv/.done

# torch goes first, so that nothing that needs it chooses another build
.venv/.done: pyproject.toml requirements.lock requirements-torch.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) else \
		f"Python 3.11 to 3.13 is needed, this is {v}: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-torch.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	$(BIN)/python -m ipykernel install --sys-prefix --name python3 --display-name "ACRNN kit"
	touch $@

reproduce: .venv/.done
	$(REPRODUCE) $(ARGS)

test: .venv/.done
	$(BIN)/python -m pytest $(ARGS)

# kills, full disks, flipped bytes and broken input many times over, with counts: half an hour
faults: .venv/.done
	$(BIN)/python -m pytest --long -s tests/faults tests/test_cluster.py $(ARGS)

# the tests once more, with the oldest versions that pyproject.toml allows (of all but torch)
test-lowest:
	$(PYTHON) -m venv build/lowest
	build/lowest/bin/python -m pip install -q --disable-pip-version-check uv -r requirements-torch.txt
	build/lowest/bin/uv pip compile -q --no-header --no-annotate --resolution lowest-direct \
		-c requirements-torch.txt $(EXTRAS:%=--extra %) pyproject.toml -o build/lowest.txt
	grep -vE '^(torch|triton|nvidia-|cuda-)' build/lowest.txt > build/lowest/pins.txt
	build/lowest/bin/python -m pip install -q --disable-pip-version-check -r build/lowest/pins.txt
	build/lowest/bin/python -m pip install -q --disable-pip-version-check --no-deps -e .
	build/lowest/bin/python -m ipykernel install --sys-prefix --name python3
	build/lowest/bin/python -m pytest $(ARGS)

# how many small changes of the evidence code the tests notice; its packages stay out of .venv
mutants: .venv/.done
	$(BIN)/python -m pip install -q --disable-pip-version-check --upgrade \
		--target build/mutants/packages "mutmut>=3.8,<4"
	$(BIN)/python tools/mutants.py $(ARGS)

# known vulnerabilities of what is pinned; says so where nobody answers
audit:
	$(PYTHON) -m venv build/audit
	build/audit/bin/python tools/audit.py

# from the notebooks that `make reproduce` executed last, with the same DATASET, PROFILE and DATA
book: .venv/.done
	$(REPRODUCE) --only book

# the same pages in print, by a browser of the Chromium family: build/acrnn-kit.pdf
pdf: book
	$(BIN)/python tools/print_book.py $(ARGS)

# on this computer only, with JupyterLab's own token in the address; it asks nobody for news
lab: .venv/.done
	$(BIN)/jupyter lab --ip=127.0.0.1 --LabApp.news_url=None \
		--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate \
		notebooks/00_start_here.ipynb $(ARGS)

# notebook 13 without its code: play it your own sounds, on this computer only, with a token too
app: .venv/.done
	$(BIN)/python -m acrnn_lib.app $(ARGS)

# beside the peers, which are installed for it: benchmarks/README.md
bench: .venv/.bench
	$(BIN)/python -m benchmarks $(ARGS)

.venv/.bench: .venv/.done
	$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[bench]"
	touch $@

clean:
	rm -rf build book/_build book/notebooks book/tables .pytest_cache .ruff_cache
