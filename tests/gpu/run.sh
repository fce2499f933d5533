#!/usr/bin/env bash
# Everything that needs a GPU, in one run: parity on CUDA (TensorFloat-32 twin and CUDA-graph replay included) and on TensorRT
# where it is, the service on CUDA, throughput beside the CPU and beside eager and compiled torch, cuDNN's searches.
#
#   make .venv/dev && .venv/bin/python -m pip install -c constraints.txt -e '.[train,gpu]' && tests/gpu/run.sh
#
# Writes docs/studies/gpu.json and gpu.md. Status 0: all of it held; 1: something did not; 2: no GPU here.
# This script has not been run on a GPU yet: no machine with one was at hand. tests/gpu/test_plumbing.py runs it on the CPU.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec "${PYTHON:-.venv/bin/python}" tests/gpu/everything.py "$@"
