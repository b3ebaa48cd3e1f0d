#!/usr/bin/env bash
# Proves that mtdit and LeRobot read, write and compute the same. See README.md.
#
#   MTDIT               the mtdit binary (default: built with cargo)
#   PYTHON              Python 3.12 for the environment (default: python3.12)
#   MTDIT_LEROBOT_VENV  where LeRobot is installed (default: ~/.cache/mtdit/lerobot-venv)
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
golden="$root/tests/golden"
venv="${MTDIT_LEROBOT_VENV:-$HOME/.cache/mtdit/lerobot-venv}"
work="$(mktemp -d)"
failures=0
export HF_HUB_OFFLINE=1 PYTHONDONTWRITEBYTECODE=1

install_lerobot() {
    cmp -s "$here/requirements.txt" "$venv/requirements.txt" && return
    [ -x "$venv/bin/python" ] || "${PYTHON:-python3.12}" -m venv "$venv"
    "$venv/bin/pip" install --quiet --requirement "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/requirements.txt"
}

find_mtdit() {
    if [ -n "${MTDIT:-}" ]; then
        realpath "$MTDIT"
    else
        (cd "$root" && cargo build --release --workspace --message-format=json-render-diagnostics) |
            sed -n 's/.*"executable":"\([^"]*\/mtdit\)".*/\1/p' | tail -n 1
    fi
}

# check NAME COMMAND...: runs it and prints one line, which ends with the last line that the command printed.
check() {
    local name="$1" verdict="ok    "
    shift
    # In the background, because `set -e` does not act inside a condition.
    "$@" >"$work/$name.log" 2>"$work/$name.err" &
    if ! wait $!; then
        verdict="FAILED"
        failures=$((failures + 1))
        tail -n 1 "$work/$name.err" >>"$work/$name.log"
    fi
    printf '%s  %-28s %s\n' "$verdict" "$name" "$(tail -n 1 "$work/$name.log")"
}

py() {
    "$venv/bin/python" "$here/$1.py" "${@:2}"
}

# What LeRobot computes on the policies of the given folder, computed by mtdit's own tests.
mtdit_equals() {
    (cd "$root" && MTDIT_GOLDEN_DIR="$1" cargo test --release --workspace --test consistency -- stages:: training::) \
        >"$work/cargo.log" || {
        cat "$work/cargo.log" >&2
        return 1
    }
    awk '/^test result: ok/ { passed += $4 } END { print passed + 0, "tests of mtdit pass on these cases"; exit passed == 0 }' \
        "$work/cargo.log"
}

fresh() {
    py golden_case fresh "$work/fresh/$1" "name=$1" "${@:2}"
}

fresh_cases() {
    fresh ddim_sample_linear seed=11 clip.eos_cfg=2 policy.n_obs_steps=1 policy.noise_scheduler_type=DDIM \
        policy.prediction_type=sample policy.beta_schedule=linear policy.num_inference_steps=10
    fresh ddim_scaled_linear_absolute_positions seed=12 'cameras=["front","left","wrist"]' clip.pad=0 \
        policy.noise_scheduler_type=DDIM policy.beta_schedule=scaled_linear policy.num_inference_steps=30 \
        policy.use_rope=false policy.use_positional_encoding=true policy.num_layers=1
    # The large weights make the gradient norm clip.
    fresh ddpm_sigmoid_separate_encoders seed=13 batch=3 std=1.1 'cameras=["front","left","wrist"]' clip.eos_cfg=2 \
        policy.n_obs_steps=1 policy.prediction_type=sample policy.beta_schedule=sigmoid \
        policy.num_inference_steps=25 policy.use_separate_rgb_encoder_per_camera=true \
        policy.do_mask_loss_for_padding=true policy.num_layers=1
    fresh ddpm_scaled_linear_both_positions seed=14 clip.t_layers=1 'frame_hw=[27,35]' policy.n_obs_steps=3 \
        'policy.image_resize_shape=[18,19]' policy.beta_schedule=scaled_linear policy.beta_end=0.05 \
        policy.num_train_timesteps=40 policy.clip_sample_range=1.5 policy.use_positional_encoding=true \
        policy.num_layers=1
    fresh ddim_no_positions seed=15 'cameras=["front","wrist"]' clip.eos_cfg=2 policy.noise_scheduler_type=DDIM \
        policy.prediction_type=sample policy.clip_sample=false policy.num_inference_steps=7 policy.use_rope=false \
        policy.num_layers=1 policy.use_separate_rgb_encoder_per_camera=true
    fresh flow_rk4_uniform seed=16 cameras='[]' policy.objective=flow_matching policy.integration_method=rk4 \
        policy.num_integration_steps=5 policy.sigma_min=0.05 policy.timestep_sampling_strategy=uniform
    echo "6 new random policies, computed by LeRobot"
}

# Starts from LeRobot's checkpoint, with random crops, dropout and another sampler.
mtdit_trains() {
    "$mtdit" train --dataset.repo_id=u/tiny "--dataset.root=$golden/datasets/av1" \
        --policy.path=start --policy.device=cpu --policy.dropout=0.1 --policy.image_crop_is_random=true \
        --policy.noise_scheduler_type=DDIM --policy.num_inference_steps=10 \
        --output_dir=trained --steps=10 --batch_size=4 --num_workers=0 --log_freq=5 --save_freq=5 --seed=1000
    test -f "$trained/model.safetensors"
    echo "10 steps from LeRobot's checkpoint"
}

# LeRobot saves no shape of the CLIP towers, so it is put beside what it wrote.
mtdit_resumes() {
    cp -r start/clip trained/checkpoints/000020/pretrained_model/
    "$mtdit" train --resume=true --config_path=trained/checkpoints/last/pretrained_model/train_config.json --steps=24
    [ "$(readlink trained/checkpoints/last)" = 000024 ]
    echo "step 20 to 24 of what LeRobot continued"
}

# LeRobot's recordings, rewritten by mtdit with PNG pictures in parquet; and one that mtdit made by itself.
opens_dataset() {
    for name in png_in_parquet av1; do
        "$mtdit" dataset export "$golden/datasets/$name" --out "$work/written/$name"
        py open_dataset "$work/written/$name" --expect "$golden/datasets/$name/expected_items.safetensors"
    done
    "$mtdit" dataset generate tabletop --episodes 16 --out "$work/written/tabletop"
    py open_dataset "$work/written/tabletop"
}

install_lerobot
mtdit="$(find_mtdit)"
[ -x "$mtdit" ] || { echo "no mtdit binary: ${mtdit:-none built}" >&2; exit 1; }
cd "$work"
trained="$work/trained/checkpoints/000010/pretrained_model"
mapfile -t committed < <(dirname "$golden"/cases/*/case.json)

# The committed cases are what the installed LeRobot computes, and mtdit computes new ones too.
check committed_cases py golden_case verify "${committed[@]}"
check fresh_cases fresh_cases
check fresh_cases_in_mtdit mtdit_equals "$work/fresh"

# A checkpoint goes from LeRobot to mtdit, back to LeRobot, and to mtdit again.
check lerobot_starts py start "$work" --dataset "$golden/datasets/av1"
check mtdit_trains mtdit_trains
check lerobot_loads_strictly py strict_load "$trained"
check lerobot_computes py golden_case from "$trained" "$work/ours/trained"
check mtdit_computes_the_same mtdit_equals "$work/ours"
check same_chunk py predict "$trained" --mtdit "$mtdit"
check lerobot_resumes py resume trained/checkpoints/000010 --steps 20
check mtdit_resumes mtdit_resumes

# Twenty steps of training have the same losses: on video, on exact pictures with clipped gradients.
check twenty_steps_diffusion py twenty_steps --dataset "$golden/datasets/av1" --objective diffusion --mtdit "$mtdit"
check twenty_steps_flow py twenty_steps --dataset "$golden/datasets/av1" --objective flow_matching --mtdit "$mtdit"
check twenty_steps_clipped py twenty_steps --dataset "$golden/datasets/png_in_parquet" --objective diffusion \
    --output_scale 8 --mtdit "$mtdit"

check lerobot_opens_dataset opens_dataset

if [ "$failures" -gt 0 ]; then
    echo "$failures failed; their output is in $work"
    exit 1
fi
rm -rf "$work"
