#!/usr/bin/env bash
# Drives the built page in a real browser. See README.md.
#
#   MTDIT             the mtdit binary (default: the one cargo builds for release)
#   MTDIT_WEB_DIST    the built page (default: web/dist)
#   MTDIT_ARTEFACTS   where screenshots go (default: browser/ in cargo's target folder)
#   MTDIT_CHROMIUM    the browser (default: /usr/bin/chromium)
#   MTDIT_TIME_SCALE  multiplies every time limit (default: 1)
#
# Arguments are test files; without any, all of them run.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
golden="$root/tests/golden"
target="${CARGO_TARGET_DIR:-$root/target}"
dist="${MTDIT_WEB_DIST:-$root/web/dist}"
export MTDIT="${MTDIT:-$target/release/mtdit}"
export MTDIT_ARTEFACTS="${MTDIT_ARTEFACTS:-$target/browser}"
export MTDIT_CHROMIUM="${MTDIT_CHROMIUM:-/usr/bin/chromium}"
MTDIT_BROWSER_WORK="$(mktemp -d)"
export MTDIT_BROWSER_WORK
trap 'rm -rf "$MTDIT_BROWSER_WORK"' EXIT

give_up() {
    echo "tests/browser: $*" >&2
    exit 1
}

check_tools() {
    [ -x "$MTDIT" ] || give_up "no mtdit binary at $MTDIT; build it with: cargo build --release"
    [ -f "$dist/index.html" ] || give_up "no built page in $dist; build it with: trunk build --release"
    [ -x "$(command -v node)" ] || give_up "no node; version 20.15 or later is needed"
    if [ ! -x "$MTDIT_CHROMIUM" ]; then
        [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || give_up "no browser at $MTDIT_CHROMIUM; MTDIT_CHROMIUM names one"
        apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium
    fi
    (cd "$here" && { npm ls >/dev/null 2>&1 || npm ci --loglevel=error; })
}

# A shape for towers of one layer; policies with it load in a moment.
tiny_clip() {
    mkdir -p "$1"
    cat >"$1/config.json" <<'JSON'
{
  "text_config": {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 49408,
    "max_position_embeddings": 77, "eos_token_id": 49407, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5
  },
  "vision_config": {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32,
    "patch_size": 8, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5
  }
}
JSON
}

# train NAME CLIP OPTION...: a policy for the small recording, after a few steps, in checkpoints/NAME.
train() {
    local name="$1" clip="$2" run="$MTDIT_BROWSER_WORK/runs/$1"
    shift 2
    "$MTDIT" train "--policy.vision_encoder_name=$clip" "--policy.text_encoder_name=$clip" \
        --policy.vision_encoder_init=random --policy.horizon=16 --policy.n_action_steps=8 --policy.hidden_dim=32 \
        --policy.num_layers=2 --policy.num_heads=2 --policy.timestep_embed_dim=16 --policy.optimizer_lr=0.003 \
        --device=cpu --num_workers=1 "--frame_cache_dir=$MTDIT_BROWSER_WORK/frames" \
        "--dataset.root=$golden/datasets/av1" "--output_dir=$run" --steps=20 --batch_size=8 --seed=7 "$@" \
        >"$MTDIT_BROWSER_WORK/$name.log" 2>&1 || { cat "$MTDIT_BROWSER_WORK/$name.log" >&2; give_up "training $name"; }
    mkdir -p "$MTDIT_BROWSER_WORK/checkpoints"
    cp -r "$run/checkpoints/last/pretrained_model" "$MTDIT_BROWSER_WORK/checkpoints/$name"
}

make_site() {
    local clip="$MTDIT_BROWSER_WORK/clip" checkpoints="$MTDIT_BROWSER_WORK/checkpoints"
    tiny_clip "$clip"
    train toy "$clip" '--policy.image_crop_shape=[32,32]' --policy.noise_scheduler_type=DDIM --policy.num_inference_steps=6
    train flow "$clip" '--policy.image_crop_shape=[32,32]' --policy.objective=flow_matching --policy.num_integration_steps=5
    train small mtdit/clip-vit-tiny-patch16 '--policy.image_resize_shape=[128,128]' '--policy.image_crop_shape=[112,112]' \
        --policy.noise_scheduler_type=DDIM --policy.num_inference_steps=3
    train blind "$clip" '--policy.input_features={"observation.state":{"type":"STATE","shape":[4]}}' \
        '--policy.output_features={"action":{"type":"ACTION","shape":[3]}}' \
        --policy.noise_scheduler_type=DDIM --policy.num_inference_steps=4
    "$MTDIT" publish "$checkpoints/toy" "$checkpoints/flow" --out "$MTDIT_BROWSER_WORK/site" \
        --dataset "$golden/datasets/av1" --page "$dist"
    "$MTDIT" publish "$checkpoints/toy" --out "$MTDIT_BROWSER_WORK/pieces" \
        --dataset "$golden/datasets/av1" --page "$dist" --dtype f16 --max-piece 500kB
}

run_tests() {
    local files=("$@")
    [ ${#files[@]} -gt 0 ] || files=("$here"/*.test.mjs)
    mkdir -p "$MTDIT_ARTEFACTS"
    rm -f "$MTDIT_ARTEFACTS/results.tap"
    # A device that is lost does not come back within a browser, so every file has one of its own, and never two at once.
    node --test --test-concurrency=1 --test-reporter=spec --test-reporter-destination=stdout \
        --test-reporter=tap "--test-reporter-destination=$MTDIT_ARTEFACTS/results.tap" "${files[@]}"
}

for file in "$@"; do
    [ -f "$file" ] || give_up "there is no test $file here"
done
check_tools
make_site
status=0
run_tests "$@" || status=$?
printf '\n%s\n' "browser tests on $("$MTDIT_CHROMIUM" --version 2>/dev/null), $(nproc) cores"
grep -E '^# (tests|pass|fail|skipped|duration_ms) ' "$MTDIT_ARTEFACTS/results.tap"
printf '%s\n' "screenshots and results: $MTDIT_ARTEFACTS"
exit "$status"
