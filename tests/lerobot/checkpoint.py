"""Opens a checkpoint folder strictly with LeRobot, and runs a raw observation through all of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from lerobot.configs import PreTrainedConfig
from lerobot.policies import make_pre_post_processors
from lerobot.policies.multi_task_dit.configuration_multi_task_dit import MultiTaskDiTConfig  # noqa: F401 (registers)
from lerobot.policies.multi_task_dit.modeling_multi_task_dit import MultiTaskDiTPolicy
from lerobot.policies.utils import populate_queues
from lerobot.processor import PolicyProcessorPipeline
from lerobot.utils.constants import ACTION, OBS_LANGUAGE_ATTENTION_MASK, OBS_LANGUAGE_TOKENS, OBS_STATE
from torch import Tensor

from chance import sampling_noise
from towers import write_towers

TASKS = ["pick up the red cube", "Put the CAN   in the bin, please!"]


@dataclass
class Opened:
    """A policy on the CPU in evaluation mode, with its processors when the folder has them."""

    policy: MultiTaskDiTPolicy
    preprocess: PolicyProcessorPipeline | None
    postprocess: PolicyProcessorPipeline | None


@contextmanager
def tower_folder(checkpoint: Path, clip: Path | None = None) -> Iterator[None]:
    """Runs a block in a temporary folder that holds the CLIP towers this checkpoint names."""
    before = Path.cwd()
    with TemporaryDirectory() as folder:
        write_towers(checkpoint, Path(folder), clip)
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def open_checkpoint(checkpoint: Path, clip: Path | None = None) -> Opened:
    """Loads with `strict=True`: a missing or an unexpected tensor is an error."""
    checkpoint, clip = checkpoint.resolve(), clip and clip.resolve()
    with tower_folder(checkpoint, clip):
        config = PreTrainedConfig.from_pretrained(checkpoint)
        config.device = "cpu"
        policy = MultiTaskDiTPolicy.from_pretrained(checkpoint, config=config, strict=True)
        if not (checkpoint / "policy_preprocessor.json").exists():
            return Opened(policy, None, None)
        preprocess, postprocess = make_pre_post_processors(
            config,
            pretrained_path=str(checkpoint),
            preprocessor_overrides={"device_processor": {"device": "cpu"}},
        )
    return Opened(policy, preprocess, postprocess)


@dataclass
class Observation:
    """What a robot sees: frames u8 `[n_obs_steps, H, W, 3]` by camera, states `[n_obs_steps, state_dim]`, a task."""

    images: dict[str, Tensor]
    state: Tensor
    task: str

    def step(self, index: int) -> dict[str, Tensor | str]:
        """One time step as LeRobot's processors take it: channels first, pixels in 0..1."""
        frames = {f"observation.images.{name}": frame[index] for name, frame in self.images.items()}
        pixels = {name: frame.permute(2, 0, 1).float() / 255 for name, frame in frames.items()}
        return {OBS_STATE: self.state[index], **pixels, "task": self.task}


def run_pipeline(opened: Opened, observation: Observation, noise: Tensor) -> dict[str, Tensor]:
    """Raw observation to actions in the robot's units through processors, policy and action queue.

    `noise` is the initial noise `[1, horizon, action_dim]`. Keys: `tokens`, `attention_mask`, `state.<step>`,
    `chunk_normalized` and `chunk`, each with a batch of one.
    """
    policy, out = opened.policy, {}
    policy.reset()
    for index in range(len(observation.state)):
        batch = opened.preprocess(observation.step(index))
        out[f"state.{index}"] = batch[OBS_STATE]
        if index + 1 < len(observation.state):
            populate_queues(policy._queues, policy._prepare_batch(batch), exclude_keys=[ACTION])
    out["tokens"] = batch[OBS_LANGUAGE_TOKENS]
    out["attention_mask"] = batch[OBS_LANGUAGE_ATTENTION_MASK].long()
    with sampling_noise(noise):
        first = policy.select_action(batch)
    chunk = torch.stack([first, *policy._queues[ACTION]], dim=1)
    out["chunk_normalized"], out["chunk"] = chunk, opened.postprocess(chunk)
    return out


def random_observation(opened: Opened, seed: int, task: str) -> Observation:
    """Uniform pixels, and a state between the smallest and the largest of the training data."""
    draw = torch.Generator().manual_seed(seed)
    config = opened.policy.config
    images = {
        name.removeprefix("observation.images."): torch.randint(
            0, 256, (config.n_obs_steps, *feature.shape[1:], 3), generator=draw, dtype=torch.uint8
        )
        for name, feature in config.image_features.items()
    }
    unit = torch.rand(config.n_obs_steps, config.robot_state_feature.shape[0], generator=draw)
    stats = opened.preprocess.steps[-1].stats[OBS_STATE]
    low, high = torch.as_tensor(stats["min"]), torch.as_tensor(stats["max"])
    return Observation(images, (low + unit * (high - low)).float(), task)
