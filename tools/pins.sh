#!/usr/bin/env bash
# Pin the requirements with hashes: tools/pins.sh UV. No download address is written.
set -euo pipefail
uv=$1
pin() {
  "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate "$@"
}
pin pyproject.toml requirements.in --output-file requirements.txt
pin pyproject.toml requirements.in requirements-dev.in --output-file requirements-dev.txt
