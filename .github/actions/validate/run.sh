#!/usr/bin/env bash
# What the action does, for any shell: PROVE_ORIGINAL, PROVE_ONNX, … hold the action's inputs, empty or unset where not
# given. Installs nothing. Ends with the status of `validate`: 0 proven, 1 not proven, 2 wrong usage or unusable input.
set -euo pipefail

zoo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
reports=${PROVE_REPORT_DIR:-proof}
options=()
for name in run original weights onnx-reference onnx ports samples depth; do
  variable=PROVE_$(tr 'a-z-' 'A-Z_' <<<"$name")
  if [ -n "${!variable:-}" ]; then options+=("--$name=${!variable}"); fi
done
options+=("--html=$reports/report.html" "--json=$reports/report.json" "--junit=$reports/junit.xml" --github)
if [ -n "${PROVE_ARTIFACT:-}" ]; then options+=(-- "$PROVE_ARTIFACT"); fi

# -P: a folder of the project that happens to be called `export` must not stand in for the zoo's.
PYTHONPATH=$zoo${PYTHONPATH:+:$PYTHONPATH} exec python -P -m export validate "${options[@]}"
