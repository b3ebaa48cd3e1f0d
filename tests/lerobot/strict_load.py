"""Proves that LeRobot opens a checkpoint: no tensor missing or unexpected, processors load, the policy runs.

    strict_load.py CHECKPOINT [--clip DIR]

CHECKPOINT is the folder that holds config.json and model.safetensors.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from checkpoint import TASKS, Observation, Opened, open_checkpoint, random_observation


def training_batch(opened: Opened) -> dict[str, Tensor | list[str]]:
    """Two random items as the data loader would collate them."""
    config = opened.policy.config
    pair = [random_observation(opened, seed, task) for seed, task in enumerate(TASKS)]
    batch: dict[str, Tensor | list[str]] = {
        "observation.state": torch.stack([one.state for one in pair]),
        "action": torch.zeros(2, config.horizon, config.action_feature.shape[0]),
        "action_is_pad": torch.zeros(2, config.horizon, dtype=torch.bool),
        "task": TASKS,
    }
    for key in config.image_features:
        frames = torch.stack([one.images[key.removeprefix("observation.images.")] for one in pair])
        batch[key] = frames.permute(0, 1, 4, 2, 3).float() / 255
    return batch


def one_loss(opened: Opened) -> float:
    """One forward pass in training mode, dropout and random crop included."""
    opened.policy.train()
    loss, _ = opened.policy.forward(opened.preprocess(training_batch(opened)))
    assert loss.isfinite(), f"the loss is {loss.item()}"
    return loss.item()


def one_action(opened: Opened, observation: Observation) -> Tensor:
    """One action in the robot's units."""
    opened.policy.reset()
    action = opened.postprocess(opened.policy.select_action(opened.preprocess(observation.step(0))))
    shape = (1, opened.policy.config.action_feature.shape[0])
    assert action.shape == shape and action.isfinite().all(), f"the action is {action}"
    return action


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--clip", type=Path, help="folder with CLIP's config.json, when not in the checkpoint")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    opened = open_checkpoint(arguments.checkpoint, arguments.clip)
    assert opened.preprocess is not None, f"{arguments.checkpoint} has no processors"
    loss = one_loss(opened)
    action = one_action(opened, random_observation(opened, 0, TASKS[0]))
    tensors = len(opened.policy.state_dict())
    numbers = "".join(f" {number:.3f}" for number in action[0].tolist())
    print(f"{tensors} tensors, none missing or unexpected; loss {loss:.3f}; first action{numbers}")


if __name__ == "__main__":
    main()
