"""Everything LeRobot draws at random, replaced by given tensors: the noise and the timesteps.

The policy has no argument for its noise, so the functions it draws with are replaced while a block runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from lerobot.policies.multi_task_dit.modeling_multi_task_dit import MultiTaskDiTPolicy
from torch import Tensor


@contextmanager
def sampling_noise(initial: Tensor, steps: Tensor | None = None) -> Iterator[None]:
    """Sampling starts from `initial` and adds `steps[i]` at DDPM's i-th step (it draws none at timestep 0)."""
    queue = [initial, *([] if steps is None else steps.unbind(0))]

    def next_noise(*shape: object, **options: object) -> Tensor:
        wanted = tuple(options.get("size") or (shape[0] if len(shape) == 1 else shape))
        noise = queue.pop(0)
        assert tuple(noise.shape) == wanted, f"noise {tuple(noise.shape)} given, {wanted} drawn"
        return noise.clone()

    with patch("torch.randn", next_noise):
        yield


@contextmanager
def training_noise(policy: MultiTaskDiTPolicy, noise: Tensor, timesteps: Tensor) -> Iterator[None]:
    """One loss is taken at this noise `[batch, horizon, action_dim]` and these timesteps `[batch]`."""

    def the_noise(like: Tensor, **_: object) -> Tensor:
        assert noise.shape == like.shape, f"noise {tuple(noise.shape)} given, {tuple(like.shape)} drawn"
        return noise.to(like.device)

    def the_timesteps(*_: object, **__: object) -> Tensor:
        return timesteps.clone()

    draw = patch.object(policy.objective, "_sample_timesteps", the_timesteps, create=True)
    if policy.config.is_diffusion:
        draw = patch("torch.randint", the_timesteps)
    with patch("torch.randn_like", the_noise), draw:
        yield


def difference(ours: Tensor, theirs: Tensor) -> float:
    """The largest absolute difference, relative to the largest expected magnitude. Every number must be finite."""
    assert ours.shape == theirs.shape, f"shapes {tuple(ours.shape)} and {tuple(theirs.shape)}"
    assert ours.isfinite().all() and theirs.isfinite().all(), "a number is not finite"
    if theirs.numel() == 0:
        return 0.0
    scale = theirs.double().abs().max().clamp_min(1e-12)
    return ((ours.double() - theirs.double()).abs().max() / scale).item()
