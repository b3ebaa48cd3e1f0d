#!/usr/bin/env bash
# Measures the page's engine against onnxruntime-web and prints the tables. See README.md; options are bench.mjs's.
#
#   MTDIT_BENCH_DIR  where models, packages and results lie (default: ~/.cache/mtdit/bench-web)
#   MTDIT_WEB_DIST   the built page (default: web/dist)
#   PYTHON           Python 3.12 for the environment (default: python3.12); packages that it has are not installed again
#   MTDIT_CHROMIUM   the browser (default: chromium in PATH)
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
export MTDIT_BENCH_DIR="${MTDIT_BENCH_DIR:-$HOME/.cache/mtdit/bench-web}"
venv="${MTDIT_BENCH_VENV:-$HOME/.cache/mtdit/bench-web-venv}"
models=(default small)
for argument in "$@"; do
    [ "$argument" = --small-only ] && models=(small)
done

# onnxruntime-web and playwright-core; the browser itself is the system's.
install_packages() {
    local npm="$MTDIT_BENCH_DIR/npm"
    cmp -s "$here/package-lock.json" "$npm/package-lock.json" && [ -d "$npm/node_modules/onnxruntime-web" ] && return
    mkdir -p "$npm"
    cp "$here/package.json" "$here/package-lock.json" "$npm/"
    npm ci --prefix "$npm" --ignore-scripts --no-audit --no-fund >&2
}

# LeRobot and the exporter, as tests/lerobot pins them.
install_lerobot() {
    cmp -s "$here/requirements.txt" "$venv/requirements.txt" && return
    local python="${PYTHON:-python3.12}" pins="$here/../lerobot/requirements.txt"
    "$python" -m venv "$venv"
    if "$python" -c "import lerobot" 2>/dev/null; then
        "$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$("$venv/bin/python" -c \
            'import sysconfig; print(sysconfig.get_path("purelib"))')/borrowed.pth"
    else
        # Without CUDA's libraries where PyTorch's own index can be reached; else whatever the default index has.
        grep -E '^torch(vision)?==' "$pins" | "$venv/bin/pip" install --quiet --requirement /dev/stdin \
            --index-url https://download.pytorch.org/whl/cpu >&2 || true
    fi
    "$venv/bin/pip" install --quiet --requirement "$here/requirements.txt" >&2
    cp "$here/requirements.txt" "$venv/requirements.txt"
}

missing=()
for model in "${models[@]}"; do
    [ "$MTDIT_BENCH_DIR/models/$model/bench.json" -nt "$here/export_onnx.py" ] || missing+=("$model")
done
install_packages
if [ "${#missing[@]}" -gt 0 ]; then
    install_lerobot
    HF_HUB_OFFLINE=1 PYTHONDONTWRITEBYTECODE=1 \
        "$venv/bin/python" "$here/export_onnx.py" "$MTDIT_BENCH_DIR/models" "${missing[@]}" >&2
fi
node "$here/bench.mjs" "$@" | tee "$MTDIT_BENCH_DIR/tables.md"
