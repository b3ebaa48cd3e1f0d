"""How long LeRobot takes on a checkpoint: `mtdit bench --compare lerobot` puts the numbers beside its own.

    bench.py towers    CHECKPOINT --towers DIR
    bench.py loading   CHECKPOINT --towers DIR
    bench.py inference CHECKPOINT --towers DIR --batch 1,8 --samplers ddpm-100,ddim-10,euler-10 [--compile]
    bench.py training  CHECKPOINT --towers DIR --batch 32 [--compile]
    bench.py dataset   CHECKPOINT --dataset DIR
    bench.py samples   CHECKPOINT --dataset DIR --batch 32 --num_workers 1 --batches_per_run 4

`towers` comes first: it writes the CLIP towers that LeRobot looks up by name into DIR and answers with versions, as
`dataset` does before `samples`. The others measure, `--runs` times after `--warmup` runs that do not count. Each line
of the answer is a JSON object:

    stage, sampler, cameras, batch   what was measured, in the words of `mtdit bench`
    compiled                         whether torch.compile was used
    all                              every measured number: milliseconds, for `peak_memory` MiB, for samples per second

One process measures one part, so that the memory of loading is that of nothing else.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path

try:
    import torch
    from lerobot.configs import PreTrainedConfig
    from lerobot.policies import make_pre_post_processors
    from lerobot.policies.multi_task_dit.modeling_multi_task_dit import (
        DiffusionObjective,
        FlowMatchingObjective,
        MultiTaskDiTPolicy,
    )
    from lerobot.utils.constants import ACTION, OBS_LANGUAGE_ATTENTION_MASK, OBS_LANGUAGE_TOKENS
    from torch import Tensor, nn
    from bench_inputs import Batch, as_lerobot_takes_it, moment, training_batch
    from bench_measure import answer, describe, repeated, wait
    from checkpoint import Opened
    from towers import write_towers
except ImportError as error:
    sys.exit(f"{sys.executable} has no LeRobot ({error}); tests/lerobot/run.sh installs one to give to --python")


def load(arguments: argparse.Namespace) -> MultiTaskDiTPolicy:
    """LeRobot's policy, from inside the folder with the towers."""
    os.chdir(arguments.towers)
    config = PreTrainedConfig.from_pretrained(arguments.checkpoint)
    config.device = arguments.device
    return MultiTaskDiTPolicy.from_pretrained(arguments.checkpoint, config=config, strict=True)


def open_with_processors(arguments: argparse.Namespace) -> Opened:
    """The same with what stands before and after it."""
    policy = load(arguments)
    path, overrides = str(arguments.checkpoint), {"device_processor": {"device": arguments.device}}
    before, after = make_pre_post_processors(policy.config, pretrained_path=path, preprocessor_overrides=overrides)
    return Opened(policy, before, after)


def vision_towers(encoder: nn.Module) -> list[nn.Module]:
    """The shared tower, or those of all cameras, or none."""
    if encoder.vision_encoders is not None:
        return list(encoder.vision_encoders)
    return [] if encoder.vision_encoder is None else [encoder.vision_encoder]


def compile_networks(policy: MultiTaskDiTPolicy) -> None:
    """What takes the time: the vision tower and the denoiser."""
    for network in (policy.noise_predictor, *vision_towers(policy.observation_encoder)):
        network.compile(dynamic=False)


def sample_with(policy: MultiTaskDiTPolicy, sampler: str) -> bool:
    """Lets the policy sample in this way, if LeRobot can. The network does not depend on it."""
    config = policy.config
    name, _, steps = sampler.rpartition("-")
    if name in ("ddpm", "ddim"):
        config.noise_scheduler_type, config.num_inference_steps = name.upper(), int(steps)
        config.objective, kind = "diffusion", DiffusionObjective
    elif name in ("euler", "rk4"):
        config.integration_method, config.num_integration_steps = name, int(steps)
        config.objective, kind = "flow_matching", FlowMatchingObjective
    else:
        return False
    policy.objective = kind(config, config.action_feature.shape[0], config.horizon, config.do_mask_loss_for_padding)
    return True


def stages(opened: Opened, size: int, compiled: bool) -> Iterator[tuple[str, Callable[[], object]]]:
    """The parts of a chunk that mtdit has as well, ready to run."""
    policy, config = opened.policy, opened.policy.config
    encoder, device = policy.observation_encoder, config.device
    batch = opened.preprocess(as_lerobot_takes_it(moment(opened, size)))
    towers = vision_towers(encoder)
    if towers:
        frames = torch.cat([batch[key] for key in config.image_features]).repeat(config.n_obs_steps, 1, 1, 1)
        shares = encoder._apply_preprocessing(frames).chunk(len(towers))
        yield "vision", lambda: [tower(share) for tower, share in zip(towers, shares, strict=True)]
    if not compiled:
        tokens, mask = batch[OBS_LANGUAGE_TOKENS], batch[OBS_LANGUAGE_ATTENTION_MASK]
        yield "text", lambda: encoder.text_encoder(tokens, mask)
    noisy = torch.randn(size, config.horizon, config.action_feature.shape[0], device=device)
    timestep = torch.full((size,), 10, dtype=torch.long if config.is_diffusion else torch.float32, device=device)
    conditioning = torch.randn(size, encoder.conditioning_dim, device=device)
    yield "denoising_step", lambda: policy.noise_predictor(noisy, timestep, conditioning_vec=conditioning)


def chunk(opened: Opened, newest: Batch) -> Tensor:
    """A chunk as `select_action` computes it when its queue is empty, in the robot's units."""
    policy = opened.policy
    policy._queues[ACTION].clear()
    first = policy.select_action(opened.preprocess(as_lerobot_takes_it(newest)))
    return opened.postprocess(torch.stack([first, *policy._queues[ACTION]], dim=1))


def encoded_chunk(opened: Opened, conditioning: Tensor) -> Tensor:
    """A chunk of observations that were encoded before."""
    policy, config = opened.policy, opened.policy.config
    actions = policy.objective.conditional_sample(policy.noise_predictor, len(conditioning), conditioning)
    first = config.n_obs_steps - 1
    return opened.postprocess(actions[:, first : first + config.n_action_steps])


@torch.no_grad()
def inference(opened: Opened, arguments: argparse.Namespace, compiled: bool) -> None:
    """All stages and all samplers, for every batch."""
    policy = opened.policy
    for size in arguments.batch:
        what = {"batch": size, "compiled": compiled}
        for stage, work in stages(opened, size, compiled):
            answer(policy.config, stage, repeated(arguments, work), **what)
        newest = moment(opened, size)
        conditioning = torch.randn(size, policy.observation_encoder.conditioning_dim, device=arguments.device)
        for sampler in arguments.samplers:
            if not sample_with(policy, sampler):
                continue
            policy.reset()
            new = repeated(arguments, lambda: chunk(opened, newest))
            answer(policy.config, "chunk_all_new", new, sampler=sampler, **what)
            encoded = repeated(arguments, lambda: encoded_chunk(opened, conditioning))
            answer(policy.config, "chunk_encoded", encoded, sampler=sampler, **what)


def training(opened: Opened, arguments: argparse.Namespace, compiled: bool) -> None:
    """Updates as `lerobot-train` makes them, with the policy's own optimizer."""
    policy = opened.policy
    preset = policy.config.get_optimizer_preset()
    optimizer = preset.build(policy.get_optim_params())
    for size in arguments.batch:
        batch = training_batch(opened, size)

        def update() -> tuple[float, float]:
            policy.train()
            loss, _ = policy.forward(batch)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(policy.parameters(), preset.grad_clip_norm)
            optimizer.step()
            optimizer.zero_grad()
            return loss.item(), norm.item()  # for the log

        answer(policy.config, "training_step", repeated(arguments, update), batch=size, compiled=compiled)


def loading(arguments: argparse.Namespace) -> None:
    """One load in this process, and the most memory that it ever had."""
    began = time.perf_counter()
    policy = load(arguments)
    wait(arguments.device)
    answer(policy.config, "loading", [1e3 * (time.perf_counter() - began)])
    # Not `ru_maxrss`, which remembers the process that started this one.
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        answer(policy.config, "peak_memory", [int(peak.split()[1]) / 1024])


def prepare(arguments: argparse.Namespace) -> None:
    """Writes the towers and answers with versions."""
    if not (arguments.checkpoint / "clip/config.json").exists():
        sys.exit(f"{arguments.checkpoint}/clip/config.json is missing: put CLIP's config.json there")
    write_towers(arguments.checkpoint, arguments.towers)
    describe()


def with_dataset(arguments: argparse.Namespace) -> None:
    """The parts that read a dataset. What they import would count as memory of loading."""
    import bench_samples

    {"dataset": bench_samples.describe_dataset, "samples": bench_samples.samples}[arguments.part](arguments)


def folder(path: str) -> Path:
    """A folder, wherever this process goes."""
    return Path(path).resolve()


def measure(arguments: argparse.Namespace) -> None:
    """Inference or training, then again compiled."""
    part = {"inference": inference, "training": training}[arguments.part]
    opened = open_with_processors(arguments)
    part(opened, arguments, False)
    if arguments.compile:
        compile_networks(opened.policy)
        # The first runs compile.
        arguments.warmup = max(arguments.warmup, 2)
        part(opened, arguments, True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("towers", "loading", "inference", "training", "dataset", "samples"))
    parser.add_argument("checkpoint", type=folder, help="the folder with config.json")
    parser.add_argument("--towers", type=folder, help="the folder for CLIP's towers")
    parser.add_argument("--dataset", type=folder, help="the folder of a dataset")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batch", type=lambda text: [int(size) for size in text.split(",")], default=[1])
    parser.add_argument("--samplers", type=lambda text: text.split(","), default=["ddim-10"])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--num_workers", type=int, default=1)
    parser.add_argument("--batches_per_run", type=int, default=4)
    parser.add_argument("--compile", action="store_true", help="also with torch.compile")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(arguments.threads)
    parts = {"towers": prepare, "loading": loading, "dataset": with_dataset, "samples": with_dataset}
    with redirect_stdout(sys.stderr):
        parts.get(arguments.part, measure)(arguments)


if __name__ == "__main__":
    main()
