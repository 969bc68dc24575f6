# The tasks of tasks.py, where the recipes are; `python tasks.py` lists them, and needs no make.
#   make reproduce                                 everything, on synthetic sound, no network
#   make reproduce DATASET=esc10 PROFILE=lite DATA=/path/to/ESC-10
#   make reproduce SCHEDULER=tcp://127.0.0.1:8786  cross-validation on Dask workers
#   make test ARGS="-k gammatone -x"
PYTHON ?= python3
export DATASET PROFILE DATA SCHEDULER ARGS

TASKS := env reproduce test test-fast lint book pdf slides lab app demo bench faults mutants audit test-lowest clean
.PHONY: $(TASKS)
$(TASKS):
	@$(PYTHON) tasks.py $@
