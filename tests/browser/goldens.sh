#!/usr/bin/env bash
# The golden cases in a browser, over WebGPU and over the CPU backend, and the matrix of all backends.
#
#   MTDIT_GOLDEN_DIR   folder of cases (default: tests/golden/cases)
#   MTDIT_MATRIX       what `cargo consistency stages::` wrote under the same name: its rows are printed too
#
# Needs what the page needs to be built: .ci/web tests/browser/goldens.sh
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}"
export MTDIT_GOLDEN_DIR="${MTDIT_GOLDEN_DIR:-$root/tests/golden/cases}"
export MTDIT_MATRIX="${MTDIT_MATRIX:-$CARGO_TARGET_DIR/matrix.jsonl}"
export MTDIT_GOLDENS_WORKER="$CARGO_TARGET_DIR/goldens-worker"

(cd "$root" && cargo build --release -p mtdit-tests --bin goldens --no-default-features \
    --target wasm32-unknown-unknown --locked)
wasm-bindgen --target no-modules --no-typescript --out-dir "$MTDIT_GOLDENS_WORKER" \
    "$CARGO_TARGET_DIR/wasm32-unknown-unknown/release/goldens.wasm"
(cd "$here" && npm ci --silent)

status=0
node --test --test-reporter=spec "$here/goldens.browser.mjs" || status=$?
node "$here/matrix.mjs" "$MTDIT_MATRIX"
exit "$status"
