"""A small random policy for a dataset, saved by LeRobot: where trainings of both programs begin.

    start.py FOLDER --dataset DIR [--objective diffusion|flow_matching] [--output_scale FACTOR]

Writes `FOLDER/start` (a checkpoint with its processors and `clip/config.json`) and `FOLDER/clip` (its CLIP towers,
which LeRobot finds when it runs in FOLDER).
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from lerobot.datasets.lerobot_dataset import LeRobotDatasetMetadata
from lerobot.policies import make_policy, make_pre_post_processors
from lerobot.policies.multi_task_dit.configuration_multi_task_dit import MultiTaskDiTConfig

from golden_inputs import clip_of, randomize
from towers import write_tower

CLIP = {
    "v_dim": 24, "v_ff": 48, "v_layers": 2, "v_heads": 2, "image": 32, "patch": 8,
    "t_dim": 16, "t_ff": 32, "t_layers": 2, "t_heads": 2,
    "vocab": 49408, "bos": 49406, "eos": 49407, "eos_cfg": 49407, "pad": 49407, "proj": 8,
}  # fmt: skip
# A large learning rate and a short warm-up make a few losses depend on every part of the optimizer.
POLICY = {
    "horizon": 8, "n_action_steps": 4, "hidden_dim": 32, "num_layers": 2, "num_heads": 4, "timestep_embed_dim": 16,
    "dropout": 0.0, "image_crop_shape": (32, 32), "image_crop_is_random": False,
    "optimizer_lr": 1e-3, "scheduler_warmup_steps": 3,
    "vision_encoder_name": "clip", "text_encoder_name": "clip", "device": "cpu", "push_to_hub": False,
}  # fmt: skip


def write_start(folder: Path, dataset: Path, objective: str, output_scale: float) -> MultiTaskDiTConfig:
    """Writes both folders; leaves the process in `folder`, where the towers are found."""
    shape = clip_of(CLIP)
    write_tower(shape, folder / "clip")
    os.chdir(folder)
    config = MultiTaskDiTConfig(objective=objective, **POLICY)
    metadata = LeRobotDatasetMetadata("u/tiny", root=dataset)
    policy = make_policy(cfg=config, ds_meta=metadata)
    randomize(policy, seed=7, std=0.6)
    policy.noise_predictor.output_proj.weight.data.mul_(output_scale)
    policy.save_pretrained(folder / "start")
    shape.save_pretrained(folder / "start/clip")
    for processor in make_pre_post_processors(policy_cfg=config, dataset_stats=metadata.stats):
        processor.save_pretrained(folder / "start")
    return policy.config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What a start depends on."""
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--objective", choices=("diffusion", "flow_matching"), default="diffusion")
    parser.add_argument(
        "--output_scale", type=float, default=1.0, help="8 makes the gradients so large that clipping acts"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    add_arguments(parser)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    write_start(folder, arguments.dataset.resolve(), arguments.objective, arguments.output_scale)
    print("a checkpoint to begin from, written by LeRobot")


if __name__ == "__main__":
    main()
