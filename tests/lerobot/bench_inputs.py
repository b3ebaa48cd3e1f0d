"""What `bench.py` measures with: random pictures, and states and actions that any normalisation takes."""

from __future__ import annotations

import torch
from lerobot.utils.constants import ACTION, OBS_STATE
from torch import Tensor

from checkpoint import Opened

# The instruction that `mtdit bench` uses.
TASK = "put the red cup on the table"

Batch = dict[str, "Tensor | list[str]"]


def mean_of(opened: Opened, feature: str, width: int) -> Tensor:
    """A value that any normalisation takes, `[width]`."""
    stats = opened.preprocess.steps[-1].stats.get(feature, {})
    return torch.as_tensor(stats.get("mean", torch.zeros(width))).float().reshape(width)


def moment(opened: Opened, size: int) -> Batch:
    """What `size` robots perceive at one moment: frames u8 `[size, H, W, 3]`, states, the instruction."""
    config, draw = opened.policy.config, torch.Generator().manual_seed(0)
    frames = {
        key: torch.randint(0, 256, (size, *feature.shape[1:], 3), generator=draw, dtype=torch.uint8)
        for key, feature in config.image_features.items()
    }
    state = mean_of(opened, OBS_STATE, config.robot_state_feature.shape[0])
    return {**frames, OBS_STATE: state.repeat(size, 1), "task": [TASK] * size}


def as_lerobot_takes_it(moment: Batch) -> Batch:
    """Channels first, pixels in 0..1."""
    return {
        key: value.permute(0, 3, 1, 2).float() / 255 if isinstance(value, Tensor) and value.dim() == 4 else value
        for key, value in moment.items()
    }


def training_batch(opened: Opened, size: int) -> Batch:
    """Samples as the data loader collates them, with `n_obs_steps` moments, after the processors."""
    config, one = opened.policy.config, as_lerobot_takes_it(moment(opened, size))
    action = mean_of(opened, ACTION, config.action_feature.shape[0])
    tensors = {key: value for key, value in one.items() if isinstance(value, Tensor)}
    observed = {key: torch.stack([value] * config.n_obs_steps, dim=1) for key, value in tensors.items()}
    batch = {
        **observed,
        ACTION: action.repeat(size, config.horizon, 1),
        "action_is_pad": torch.zeros(size, config.horizon, dtype=torch.bool),
        "task": one["task"],
    }
    return opened.preprocess(batch)
