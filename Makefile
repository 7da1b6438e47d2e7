# The environment of every target is .venv, built once and again when what it is made of changes.
#
# On Linux the default torch carries CUDA (several GB). Without a GPU a smaller one will do:
#     make env TORCH_INDEX=https://download.pytorch.org/whl/cpu

PYTHON ?= python3
TORCH_INDEX ?=
BIN := .venv/bin
STAMP := .venv/.built

# Where it is set, each of the many processes that tests begin would compile the package anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: env environments train test test-peers test-gpu test-kernels test-verifiers test-lm-eval test-web test-vllm test-ray test-faults check bench screenshots nightly

env: $(STAMP)

NATIVE := groupthink/model/vectors.h groupthink/model/native.c groupthink/rollout/native.c groupthink/rollout/law.c groupthink/rollout/law.h

$(STAMP): pyproject.toml $(NATIVE) constraints/train.txt constraints/dev.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints/train.txt \
		$(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints/dev.txt -e '.[dev]'
	touch $(STAMP)

# Those of the suites below that take longest to make, ahead of the tests.
environments: env
	$(BIN)/python bench/environments.py web
	$(BIN)/python bench/environments.py vllm

train: env
	$(BIN)/groupthink train

test: env
	$(BIN)/python -m pytest -q -n 2 --dist worksteal --session-timeout=1500

# Against TRL itself, and the settings of verl, each in an environment of its own.
test-peers: env
	PYTHONPATH=. $$($(BIN)/python bench/environments.py trl) -m pytest -q --confcutdir=tests_peers tests_peers/trl
	PYTHONPATH=. $$($(BIN)/python bench/environments.py verl) -m pytest -q --confcutdir=tests_peers tests_peers/verl

# Environments of verifiers, in an environment of its own.
test-verifiers: env
	PYTHONPATH=. $$($(BIN)/python bench/environments.py verifiers) -m pytest -q --timeout=300 \
		--confcutdir=tests_peers tests_peers/verifiers

# lm-evaluation-harness, by the commands of docs/evaluation.md, in an environment of its own.
test-lm-eval: env
	PYTHONPATH=. $$($(BIN)/python bench/environments.py lm_eval) -m pytest -q --timeout=300 \
		--confcutdir=tests_peers tests_peers/lm_eval

# The pages in a real browser, and the API by OpenAI's own client, in an environment of its own.
test-web: env
	PYTHONPATH=. $$($(BIN)/python bench/environments.py web) -m pytest -q --timeout=300 \
		-n 2 --dist loadfile --no-loadscope-reorder --confcutdir=tests_peers tests_peers/web tests_peers/openai

# Pictures of the pages, of a run that is trained for them: docs/screenshots.
screenshots: env
	PYTHONPATH=. $$($(BIN)/python bench/environments.py web) bench/screenshots.py

# A GPU's kernels on a processor, by Triton's interpreter, in an environment of its own.
test-kernels: env
	DEVICE=cpu TRITON_INTERPRET=1 PYTHONPATH=. $$($(BIN)/python bench/environments.py kernels) -m pytest -q --timeout=300 \
		-p no:cacheprovider --confcutdir=tests_gpu tests_gpu/test_decoder.py

# vLLM itself, in an environment of its own, which takes minutes to make and 3.5 GB.
test-vllm: env
	PYTHONPATH=. $$($(BIN)/python bench/environments.py vllm) -m pytest -q --timeout=300 \
		--confcutdir=tests_peers tests_peers/vllm

# Ray itself, a cluster of it on this machine, in the environment that is there, and NIXL, which has builds for Linux.
test-ray: env
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints/dev.txt nixl
	PYTHONPATH=. $(BIN)/python -m pytest -q --timeout=300 --confcutdir=tests_peers tests_peers/ray

# The tests that hold what docs/promises.md promises, and how many of its rows are held.
FAULTS := build/faults
MARKED = -m pytest -q -m fault --junit-xml=$(FAULTS)/

test-faults: env
	rm -rf $(FAULTS)
	-$(BIN)/python $(MARKED)here.xml -n 2 --dist worksteal tests
	-PYTHONPATH=. $(BIN)/python $(MARKED)ray.xml --timeout=300 --confcutdir=tests_peers tests_peers/ray
	-PYTHONPATH=. $$($(BIN)/python bench/environments.py web) $(MARKED)web.xml --timeout=300 \
		--confcutdir=tests_peers tests_peers/web tests_peers/openai
	-PYTHONPATH=. $$($(BIN)/python bench/environments.py vllm) $(MARKED)vllm.xml --timeout=300 \
		--confcutdir=tests_peers tests_peers/vllm
	$(BIN)/python -m tests.faults.held $(FAULTS)

# On a machine with a CUDA GPU, in the environment that is there.
test-gpu: env
	$(BIN)/python -m pytest -q --confcutdir=tests_gpu -p no:cacheprovider tests_gpu

check: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: env
	$(BIN)/python bench/vs_trl.py

nightly: env
	$(BIN)/python -m pytest -q -m ""
