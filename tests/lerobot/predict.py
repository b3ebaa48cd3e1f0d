"""Proves that `mtdit predict` and LeRobot turn one raw observation and one noise into the same action chunk.

    predict.py CHECKPOINT --mtdit BINARY [--clip DIR]

The sampler must draw nothing but its initial noise (DDIM or flow matching).
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save_file
from torch import Tensor

from chance import difference
from checkpoint import TASKS, Observation, open_checkpoint, random_observation, run_pipeline
from golden_inputs import draws_each_step

TOLERANCE = 2e-4


def mtdit_chunks(binary: Path, checkpoint: Path, observation: Observation, noise: Tensor) -> dict[str, Tensor]:
    """`chunk` and `chunk_normalized` of `mtdit predict`."""
    images = {f"images.{name}": frames.contiguous() for name, frames in observation.images.items()}
    with TemporaryDirectory() as folder:
        files = {name: Path(folder) / name for name in ("observation.safetensors", "noise.safetensors", "out.json")}
        save_file({**images, "state": observation.state}, files["observation.safetensors"])
        save_file({"noise": noise}, files["noise.safetensors"])
        command = [binary, "predict", "--checkpoint", checkpoint, "--task", observation.task]
        command += ["--observation", files["observation.safetensors"]]
        command += ["--initial-noise", files["noise.safetensors"], "--out", files["out.json"]]
        subprocess.run([str(word) for word in command], check=True)
        result = json.loads(files["out.json"].read_text())
    return {key: torch.tensor(result[key], dtype=torch.float32) for key in ("chunk", "chunk_normalized")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--mtdit", type=Path, required=True)
    parser.add_argument("--clip", type=Path, help="folder with CLIP's config.json, when not in the checkpoint")
    arguments = parser.parse_args()
    opened = open_checkpoint(arguments.checkpoint, arguments.clip)
    config = opened.policy.config
    assert not draws_each_step(config), "DDPM draws noise at every step"
    worst = {"chunk": 0.0, "chunk_normalized": 0.0}
    for seed, task in enumerate(TASKS):
        observation = random_observation(opened, seed, task)
        draw = torch.Generator().manual_seed(seed)
        noise = torch.randn(1, config.horizon, config.action_feature.shape[0], generator=draw)
        theirs = run_pipeline(opened, observation, noise)
        ours = mtdit_chunks(arguments.mtdit, arguments.checkpoint, observation, noise)
        for key in worst:
            worst[key] = max(worst[key], difference(ours[key].reshape(theirs[key].shape), theirs[key]))
    line = f"{len(TASKS)} chunks, largest relative difference"
    line += "".join(f" {key} {value:.1e}" for key, value in worst.items())
    assert max(worst.values()) <= TOLERANCE, f"{line}, more than {TOLERANCE:.0e}"
    print(line)


if __name__ == "__main__":
    main()
