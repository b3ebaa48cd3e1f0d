"""Proves that twenty training steps of mtdit are LeRobot's: same start, same batches, same noise, same losses.

    twenty_steps.py --dataset DIR --objective diffusion|flow_matching --mtdit BINARY [--output_scale FACTOR]

LeRobot's half is its own `train` function with its dataset, sampler, processors, optimizer, learning-rate schedule
and gradient clipping; only the noise and the timesteps are put in. Both halves get the same command-line flags.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import torch
from lerobot.policies.multi_task_dit.configuration_multi_task_dit import MultiTaskDiTConfig
from lerobot.scripts import lerobot_train
from safetensors.torch import load_file, save_file
from torch import Tensor

from chance import training_noise
from golden_inputs import draw_timesteps
from start import add_arguments, write_start

STEPS, BATCH = 20, 4
TOLERANCE = 1e-3
# How far the trained weights may end apart, relative to how far training has moved them.
WEIGHTS_TOLERANCE = 2e-2


def write_noise(config: MultiTaskDiTConfig, file: Path) -> dict[str, Tensor]:
    """Draws the noise `[steps, batch, horizon, action_dim]` and the timesteps `[steps, batch]` of the whole run."""
    draw = torch.Generator().manual_seed(11)
    noise = torch.randn(STEPS, BATCH, config.horizon, config.action_feature.shape[0], generator=draw)
    tensors = {"noise": noise, "timesteps": draw_timesteps(config, (STEPS, BATCH), draw)}
    save_file(tensors, file)
    return tensors


def flags(dataset: Path, output: str) -> list[str]:
    """What both programs are told."""
    return [
        "--dataset.repo_id=u/tiny",
        f"--dataset.root={dataset}",
        "--dataset.video_backend=pyav",
        "--policy.path=start",
        "--policy.device=cpu",
        f"--output_dir={output}",
        f"--steps={STEPS}",
        f"--batch_size={BATCH}",
        "--num_workers=0",
        "--log_freq=1",
        f"--save_freq={STEPS}",
        "--seed=1000",
    ]


def lerobot_losses(arguments: list[str], noise: dict[str, Tensor]) -> list[float]:
    """Runs LeRobot's training in this process."""
    genuine, losses = lerobot_train.update_policy, []

    def update_policy(metrics, policy, batch, *rest, **options):  # noqa: ANN001, ANN002, ANN003, ANN202
        step = len(losses)
        with training_noise(policy, noise["noise"][step], noise["timesteps"][step]):
            result = genuine(metrics, policy, batch, *rest, **options)
        losses.append(result[0].loss.val)
        return result

    with patch.object(lerobot_train, "update_policy", update_policy), patch.object(sys, "argv", ["train", *arguments]):
        lerobot_train.train()
    return losses


def mtdit_losses(binary: Path, arguments: list[str], output: Path) -> list[float]:
    """Runs mtdit's training and reads its metrics."""
    subprocess.run([str(binary), "train", *arguments, "--noise_file=noise.safetensors"], check=True)
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    losses = {line["step"]: line["loss"] for line in lines if "loss" in line}
    assert sorted(losses) == list(range(1, STEPS + 1)), f"steps {sorted(losses)} in metrics.jsonl"
    return [losses[step] for step in range(1, STEPS + 1)]


def weights_apart(start: Path, ours: Path, theirs: Path) -> float:
    """The distance between the two trained networks, relative to the distance of LeRobot's from the start.

    The bias of CLIP's keys is left out: softmax does not see it, so its gradient is rounding alone, which Adam
    scales up to a full step.
    """
    first, mine, genuine = (load_file(folder / "model.safetensors") for folder in (start, ours, theirs))
    assert mine.keys() == genuine.keys(), f"{sorted(mine.keys() ^ genuine.keys())}"
    keys = [key for key in genuine if not key.endswith("k_proj.bias")]
    apart = sum((mine[key].double() - genuine[key].double()).square().sum() for key in keys)
    moved = sum((genuine[key].double() - first[key].double()).square().sum() for key in keys)
    return (apart / moved).sqrt().item()


def compare(dataset: Path, objective: str, output_scale: float, binary: Path) -> str:
    """Both halves in a temporary folder."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        config = write_start(folder, dataset, objective, output_scale)
        noise = write_noise(config, folder / "noise.safetensors")
        theirs = lerobot_losses(flags(dataset, "lerobot"), noise)
        ours = mtdit_losses(binary, flags(dataset, "mtdit"), folder / "mtdit")
        last = f"checkpoints/{STEPS:06}/pretrained_model"
        weights = weights_apart(folder / "start", folder / "mtdit" / last, folder / "lerobot" / last)
        os.chdir("/")
    relative = [abs(our - their) / abs(their) for our, their in zip(ours, theirs, strict=True)]
    for step, (our, their, error) in enumerate(zip(ours, theirs, relative, strict=True), start=1):
        print(f"step {step:2}: LeRobot {their:.6f}  mtdit {our:.6f}  {error:.1e}")
    line = f"{objective}: loss {theirs[0]:.3f} to {theirs[-1]:.3f}, largest relative difference {max(relative):.1e}"
    line += f", weights {weights:.1e} apart"
    good = all(error <= TOLERANCE for error in relative) and weights <= WEIGHTS_TOLERANCE
    assert good, f"{line}; allowed {TOLERANCE:.0e} and {WEIGHTS_TOLERANCE:.0e}"
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--mtdit", type=Path, required=True)
    arguments = parser.parse_args()
    print(compare(arguments.dataset.resolve(), arguments.objective, arguments.output_scale, arguments.mtdit.resolve()))


if __name__ == "__main__":
    main()
