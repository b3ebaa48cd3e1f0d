"""Everything LeRobot computes for a golden case, stage by stage, from a policy and the case's inputs.

Dropout is off and the crop is the centre one (evaluation mode); noise and timesteps are inputs.
"""

from __future__ import annotations

import torch
from lerobot.policies.multi_task_dit.modeling_multi_task_dit import MultiTaskDiTPolicy
from lerobot.utils.constants import OBS_IMAGES, OBS_LANGUAGE_ATTENTION_MASK, OBS_LANGUAGE_TOKENS, OBS_STATE
from torch import Tensor

from chance import sampling_noise, training_noise
from checkpoint import Observation, Opened, run_pipeline

Tensors = dict[str, Tensor]

CLIP_NORM = 10.0
AFTER = (
    "embeddings.patch_embedding.weight",
    "vision_model.encoder.layers.0.self_attn.q_proj.",
    "text_encoder.projection.",
    "noise_predictor.pos_embedding",
    "noise_predictor.time_mlp.1.",
    "noise_predictor.input_proj.",
    "noise_predictor.transformer_blocks.0.adaLN_modulation.1.",
    "noise_predictor.output_proj.",
)


def policy_batch(policy: MultiTaskDiTPolicy, inputs: Tensors) -> Tensors:
    """The processed batch that LeRobot's policy takes, from the case's `in.*` and `train.*` tensors."""
    batch = {
        OBS_STATE: inputs["in.observation.state"],
        OBS_LANGUAGE_TOKENS: inputs["in.language.tokens"],
        OBS_LANGUAGE_ATTENTION_MASK: inputs["in.language.attention_mask"],
        "action": inputs["train.action"],
        "action_is_pad": inputs["train.action_is_pad"].bool(),
    }
    return policy._prepare_batch({**batch, **{key: inputs[f"in.{key}"] for key in policy.config.image_features}})


@torch.no_grad()
def encoder_stages(policy: MultiTaskDiTPolicy, batch: Tensors) -> Tensors:
    """Images, vision features, text features and the conditioning vector."""
    encoder, out = policy.observation_encoder, {}
    if policy.config.image_features:
        images = batch[OBS_IMAGES].flatten(0, 2)
        out["mid.image_preprocessed"] = encoder._apply_preprocessing(images)
        tower = encoder.vision_encoder or encoder.vision_encoders[0]
        out["mid.vision_cls"] = tower(out["mid.image_preprocessed"]).flatten(1)
    text = encoder.text_encoder
    tokens, mask = batch[OBS_LANGUAGE_TOKENS], batch[OBS_LANGUAGE_ATTENTION_MASK]
    out["mid.text_pooled"] = text.text_encoder(input_ids=tokens, attention_mask=mask).pooler_output
    out["mid.text_projected"] = text(tokens, mask)
    out["mid.conditioning"] = encoder.encode(batch)
    return out


@torch.no_grad()
def denoiser_stages(policy: MultiTaskDiTPolicy, inputs: Tensors, conditioning: Tensor) -> Tensors:
    """The network at one noise level."""
    x_t, t = inputs["in.x_t"], inputs["in.t"]
    return {
        "mid.time_embedding": policy.noise_predictor.time_mlp(t),
        "out.denoiser": policy.noise_predictor(x_t, t, conditioning_vec=conditioning),
    }


@torch.no_grad()
def sampling_stages(policy: MultiTaskDiTPolicy, inputs: Tensors, conditioning: Tensor) -> Tensors:
    """The noise schedule, the whole sampler, and the slice that is executed."""
    out, config = {}, policy.config
    noise = inputs["sample.initial_noise"]
    with sampling_noise(noise, inputs.get("sample.step_noise")):
        sample = policy.objective.conditional_sample(policy.noise_predictor, len(noise), conditioning)
    if config.is_diffusion:
        scheduler = policy.objective.noise_scheduler
        out["sample.timesteps"] = scheduler.timesteps.long()
        out["schedule.alphas_cumprod"] = scheduler.alphas_cumprod
    start = config.n_obs_steps - 1
    return {**out, "out.sample": sample, "out.chunk": sample[:, start : start + config.n_action_steps]}


def training_stages(policy: MultiTaskDiTPolicy, inputs: Tensors, batch: Tensors) -> Tensors:
    """Losses and gradient norms of a few Adam steps, the first gradients, and some weights afterwards."""
    config, out, losses, norms = policy.config, {}, [], []
    optimizer = config.get_optimizer_preset().build(policy.get_optim_params())
    for step, (noise, t) in enumerate(zip(inputs["train.noise"], inputs["train.t"], strict=True)):
        with training_noise(policy, noise, t):
            loss, _ = policy.forward(batch)
        loss.backward()
        gradients = {name: p.grad for name, p in policy.named_parameters() if p.grad is not None}
        if step == 0:
            out |= {f"grad.{name}": gradient.clone() for name, gradient in gradients.items()}
        norms.append(torch.nn.utils.clip_grad_norm_(policy.parameters(), CLIP_NORM).detach())
        losses.append(loss.detach())
        optimizer.step()
        optimizer.zero_grad()
    parameters = policy.state_dict()
    out |= {f"after.{name}": parameters[name].clone() for name in gradients if any(key in name for key in AFTER)}
    return {**out, "train.losses": torch.stack(losses), "train.grad_norms": torch.stack(norms)}


def pipeline_stages(opened: Opened, inputs: Tensors) -> Tensors:
    """Raw observations through LeRobot's processors to actions in the robot's units."""
    out, index = {}, 0
    while f"raw.{index}.task" in inputs:
        cameras = [key.removeprefix("observation.images.") for key in opened.policy.config.image_features]
        observation = Observation(
            {camera: inputs[f"raw.{index}.images.{camera}"] for camera in cameras},
            inputs[f"raw.{index}.state"],
            bytes(inputs[f"raw.{index}.task"].tolist()).decode(),
        )
        result = run_pipeline(opened, observation, inputs[f"raw.{index}.initial_noise"])
        out |= {f"expect.{index}.{key}": value for key, value in result.items()}
        index += 1
    return out


def compute(opened: Opened, inputs: Tensors) -> Tensors:
    """All expected outputs of a case. The policy's weights are changed by its training steps, which come last."""
    policy = opened.policy
    batch = policy_batch(policy, inputs)
    out = encoder_stages(policy, batch)
    out |= denoiser_stages(policy, inputs, out["mid.conditioning"])
    out |= sampling_stages(policy, inputs, out["mid.conditioning"])
    out |= pipeline_stages(opened, inputs)
    out |= training_stages(policy, inputs, batch)
    return {key: value.detach().contiguous() for key, value in out.items()}
