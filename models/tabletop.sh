#!/usr/bin/env bash
# Makes models/tabletop: records its data, trains it, measures it, and the baselines beside it (README.md has the numbers).
# The policy alone takes about an hour on two cores; flow matching and regression as long again, each.
#
#   models/tabletop.sh [FOLDER]    everything but the result goes there (default: outputs/tabletop)
#
# The towers it starts from are made by: cargo run --release --workspace --example tabletop_clip -- models/tabletop-clip
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
work="${1:-outputs/tabletop}"
data="$work/data"
recording="--episodes 10000 --seed 1"
training="--batch_size=64 --repeated_diffusion_steps=2 --steps=20000 --ema.enable=true"
measuring="--episodes 200 --seed 1000" # for each family of tasks, in scenes that no training saw

mtdit() { cargo run --release --quiet -- "$@"; }

# train NAME FLAG...: a policy of the preset, in $work/NAME.
train() {
    local name="$1"
    shift
    [ -d "$work/$name/checkpoints/last" ] || mtdit train --policy.path=models/presets/tabletop --dataset.root="$data" \
        --dataset.repo_id=mtdit/tabletop --output_dir="$work/$name" $training --log_freq=100 --save_freq=1000 \
        --keep_last=2 "$@"
}

# roll_out NAME CHECKPOINT FLAG...: what it can do, in $work/rollout/NAME.
roll_out() {
    local name="$1" checkpoint="$2"
    shift 2
    echo "== $name"
    mtdit rollout --checkpoint "$checkpoint" $measuring --out "$work/rollout/$name" "$@"
}

[ -d "$data" ] || mtdit dataset generate tabletop $recording --out "$data"

train diffusion
average="$work/diffusion/checkpoints/last/pretrained_model_ema"
mtdit publish "$average" --out "$work/site" --name tabletop --dtype f16 --dataset "$data"
rm -rf models/tabletop
cp -r "$work/site/models/tabletop" models/tabletop
rm models/tabletop/manifest.json
sed -i "1a\\    \"made_by\": {\"script\": \"models/tabletop.sh\", \"data\": \"mtdit dataset generate tabletop $recording\", \
\"training\": \"mtdit train --policy.path=models/presets/tabletop $training\"}," models/tabletop/mtdit.json
roll_out ddim models/tabletop --record
roll_out dpm_solver models/tabletop --record --sampler dpm++ --steps 10
roll_out swapped models/tabletop --record --swap
roll_out held_out models/tabletop --record --held_out_phrasings

train flow_matching --policy.objective=flow_matching --policy.num_integration_steps=10
roll_out flow_matching "$work/flow_matching/checkpoints/last/pretrained_model_ema"
train regression --timesteps=last
roll_out regression "$work/regression/checkpoints/last/pretrained_model_ema" --sampler ddim --steps 1 --trailing
for policy in mean nearest expert; do
    echo "== $policy"
    mtdit rollout --policy "$policy" --dataset "$data" $measuring \
        --out "$work/rollout/$policy"
done
