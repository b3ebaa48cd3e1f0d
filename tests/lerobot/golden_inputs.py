"""A golden case's random parts: a small policy with random weights, and the inputs of every stage."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.policies.multi_task_dit.configuration_multi_task_dit import MultiTaskDiTConfig
from lerobot.policies.multi_task_dit.modeling_multi_task_dit import MultiTaskDiTPolicy
from torch import Tensor, nn
from transformers import CLIPConfig

from checkpoint import Opened, random_observation

Spec = dict[str, Any]

# `eos_cfg` is what CLIP's configuration says: the real id, or 2 for the old rule (the position of the largest id).
DEFAULT_SPEC: Spec = {
    "name": "fresh",
    "seed": 0,
    "std": 0.6,
    "batch": 2,
    "frame_hw": [20, 24],
    "cameras": ["front"],
    "state_dim": 5,
    "action_dim": 3,
    "train_steps": 3,
    "clip": {
        "v_dim": 16, "v_ff": 32, "v_layers": 1, "v_heads": 2, "image": 16, "patch": 8,
        "t_dim": 16, "t_ff": 32, "t_layers": 2, "t_heads": 2,
        "vocab": 300, "bos": 298, "eos": 299, "eos_cfg": 299, "pad": 299, "proj": 8,
    },
    "policy": {
        "horizon": 8, "n_action_steps": 4, "hidden_dim": 32, "num_layers": 2, "num_heads": 4,
        "timestep_embed_dim": 16, "image_crop_shape": [16, 16], "image_crop_is_random": False,
    },
}  # fmt: skip


def spec_with(changes: list[str]) -> Spec:
    """The default case with changes such as `policy.use_rope=false` or `cameras=["a","b"]` (values are JSON)."""
    spec = copy.deepcopy(DEFAULT_SPEC)
    for change in changes:
        path, _, value = change.partition("=")
        *folders, key = path.split(".")
        place = spec
        for folder in folders:
            place = place[folder]
        try:
            place[key] = json.loads(value)
        except json.JSONDecodeError:
            place[key] = value
    return spec


def clip_of(clip: Spec) -> CLIPConfig:
    """The CLIP shape that a case describes."""
    vision = {
        "hidden_size": clip["v_dim"], "intermediate_size": clip["v_ff"], "num_hidden_layers": clip["v_layers"],
        "num_attention_heads": clip["v_heads"], "image_size": clip["image"], "patch_size": clip["patch"],
    }  # fmt: skip
    text = {
        "hidden_size": clip["t_dim"], "intermediate_size": clip["t_ff"], "num_hidden_layers": clip["t_layers"],
        "num_attention_heads": clip["t_heads"], "vocab_size": clip["vocab"], "bos_token_id": clip["bos"],
        "eos_token_id": clip["eos_cfg"], "pad_token_id": clip["pad"],
    }  # fmt: skip
    shared = {"projection_dim": clip["proj"]}
    return CLIPConfig(vision_config={**vision, **shared}, text_config={**text, **shared}, **shared)


def as_fields(policy: Spec) -> Spec:
    """Policy settings from JSON as LeRobot's configuration wants them: pairs are tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in policy.items()}


def config_of(spec: Spec) -> MultiTaskDiTConfig:
    """LeRobot's configuration of a case; its CLIP model is the folder `clip`."""
    features = {"observation.state": PolicyFeature(FeatureType.STATE, (spec["state_dim"],))}
    for camera in spec["cameras"]:
        features[f"observation.images.{camera}"] = PolicyFeature(FeatureType.VISUAL, (3, *spec["frame_hw"]))
    return MultiTaskDiTConfig(
        input_features=features,
        output_features={"action": PolicyFeature(FeatureType.ACTION, (spec["action_dim"],))},
        device="cpu",
        push_to_hub=False,
        vision_encoder_name="clip",
        text_encoder_name="clip",
        **as_fields(spec["policy"]),
    )


@torch.no_grad()
def randomize(policy: MultiTaskDiTPolicy, seed: int, std: float) -> None:
    """Gives every weight a say: LeRobot's own start has all modulations at zero, which hides most of the network."""
    draw = torch.Generator().manual_seed(seed)
    norms = {id(m.weight) for m in policy.modules() if isinstance(m, nn.LayerNorm) and m.weight is not None}
    for parameter in policy.parameters():
        noise = torch.randn(parameter.shape, generator=draw)
        if id(parameter) in norms:
            parameter.copy_(1 + 0.1 * noise)
        elif parameter.dim() == 1:
            parameter.copy_(0.05 * noise)
        else:
            fan_in = parameter.numel() / parameter.shape[0]
            parameter.copy_(std / fan_in**0.5 * noise)


def draw_tokens(spec: Spec, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sentences of different lengths, padded to 77, with the mask of what is not padding."""
    clip = spec["clip"]
    tokens = torch.full((spec["batch"], 77), clip["pad"])
    mask = torch.zeros_like(tokens)
    for row in range(spec["batch"]):
        words = torch.randint(3, clip["bos"], (3 * row + 3,), generator=draw)
        sentence = torch.tensor([clip["bos"], *words, clip["eos"]])
        tokens[row, : len(sentence)] = sentence
        mask[row, : len(sentence)] = 1
    return tokens, mask


def draws_each_step(config: MultiTaskDiTConfig) -> bool:
    """DDPM adds noise at every step; the raw observations of a case carry initial noise only."""
    return config.is_diffusion and config.noise_scheduler_type == "DDPM"


def draw_timesteps(config: MultiTaskDiTConfig, shape: tuple[int, ...], draw: torch.Generator) -> Tensor:
    """Whole steps for diffusion, times in 0..1 for flow matching."""
    if config.is_diffusion:
        return torch.randint(0, config.num_train_timesteps, shape, generator=draw)
    return torch.rand(shape, generator=draw)


def draw_inputs(config: MultiTaskDiTConfig, spec: Spec) -> dict[str, Tensor]:
    """All inputs of a case: observation, noisy actions, training steps and sampling noise."""
    draw = torch.Generator().manual_seed(spec["seed"] + 1)
    batch, steps = spec["batch"], spec["train_steps"]
    actions = (batch, config.horizon, config.action_feature.shape[0])

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw)

    state_dim = config.robot_state_feature.shape[0]
    out = {"in.observation.state": normal(batch, config.n_obs_steps, state_dim).clamp(-1, 1)}
    for key, feature in config.image_features.items():
        pixels = torch.rand(batch, config.n_obs_steps, *feature.shape, generator=draw)
        out[f"in.{key}"] = 4 * pixels - 1.8
    out["in.language.tokens"], out["in.language.attention_mask"] = draw_tokens(spec, draw)
    out["in.x_t"], out["in.t"] = normal(*actions), draw_timesteps(config, (batch,), draw)
    out["train.action"] = normal(*actions).clamp(-1, 1)
    pad = torch.arange(config.horizon) >= config.horizon - 1 - torch.arange(batch)[:, None]
    out["train.action_is_pad"] = pad.long()
    out["train.noise"], out["train.t"] = normal(steps, *actions), draw_timesteps(config, (steps, batch), draw)
    out["sample.initial_noise"] = normal(*actions)
    if draws_each_step(config):
        out["sample.step_noise"] = normal(config.num_inference_steps or config.num_train_timesteps, *actions)
    return out


def draw_pipeline(opened: Opened, tasks: list[str], seed: int) -> dict[str, Tensor]:
    """Raw observations, one for every sentence."""
    out = {}
    for index, task in enumerate(tasks):
        observation = random_observation(opened, seed + index, task)
        draw = torch.Generator().manual_seed(seed + index)
        horizon, action_dim = opened.policy.config.horizon, opened.policy.config.action_feature.shape[0]
        out[f"raw.{index}.task"] = torch.tensor(list(task.encode()), dtype=torch.uint8)
        out[f"raw.{index}.state"] = observation.state
        out[f"raw.{index}.initial_noise"] = torch.randn(1, horizon, action_dim, generator=draw)
        out |= {f"raw.{index}.images.{name}": frames for name, frames in observation.images.items()}
    return out


def spec_of(checkpoint: Path, config: MultiTaskDiTConfig, clip: CLIPConfig, tasks: list[str]) -> Spec:
    """Describes a checkpoint in a case's words; `policy` holds the fields that are not LeRobot's defaults."""
    vision, text = clip.vision_config, clip.text_config
    default, always = MultiTaskDiTConfig(), ("n_obs_steps", "horizon", "n_action_steps")
    elsewhere = ("input_features", "output_features", "normalization_mapping", "device", "push_to_hub",
                 "vision_encoder_name", "text_encoder_name", "pretrained_path", "drop_n_last_frames")  # fmt: skip
    policy = {
        key: value
        for key, value in vars(config).items()
        if key in always or (key not in elsewhere and value != getattr(default, key))
    }
    frame = next((list(f.shape[1:]) for f in config.image_features.values()), [0, 0])
    processors = (checkpoint / "policy_preprocessor.json").exists()
    # The end of a sentence is CLIP's last id, whatever its configuration says.
    eos = text.eos_token_id if text.eos_token_id != 2 else text.vocab_size - 1
    return {
        "name": checkpoint.parent.name, "seed": 0, "std": None, "batch": 2, "frame_hw": frame,
        "cameras": [key.removeprefix("observation.images.") for key in config.image_features],
        "state_dim": config.robot_state_feature.shape[0], "action_dim": config.action_feature.shape[0],
        "train_steps": 3, "tasks": tasks, "pipeline": processors and not draws_each_step(config),
        "clip": {
            "v_dim": vision.hidden_size, "v_ff": vision.intermediate_size, "v_layers": vision.num_hidden_layers,
            "v_heads": vision.num_attention_heads, "image": vision.image_size, "patch": vision.patch_size,
            "t_dim": text.hidden_size, "t_ff": text.intermediate_size, "t_layers": text.num_hidden_layers,
            "t_heads": text.num_attention_heads, "vocab": text.vocab_size, "bos": text.bos_token_id,
            "eos": eos, "eos_cfg": text.eos_token_id, "pad": text.pad_token_id, "proj": clip.projection_dim,
        },
        "policy": policy,
    }  # fmt: skip
