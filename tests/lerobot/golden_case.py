"""Golden cases: what LeRobot computes on a checkpoint, stage by stage, for our tests to be equal to.

    golden_case.py fresh OUT [KEY=VALUE ...]    a new small policy with random weights
    golden_case.py from CHECKPOINT OUT          a checkpoint that mtdit (or LeRobot) wrote
    golden_case.py verify CASE ...              computes existing cases again and compares

A case is `checkpoint/`, `io.safetensors` (inputs and outputs) and `case.json` (what every tensor is).
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections import defaultdict
from pathlib import Path

import torch
from lerobot.policies.multi_task_dit.modeling_multi_task_dit import MultiTaskDiTPolicy
from safetensors.torch import load_file, save_file

from chance import difference
from checkpoint import TASKS, open_checkpoint, tower_folder
from golden_inputs import Spec, clip_of, config_of, draw_inputs, draw_pipeline, randomize, spec_of, spec_with
from golden_stages import CLIP_NORM, Tensors, compute
from towers import clip_config

TOLERANCE = 1e-4
MEANINGS = {
    "in.observation.state": "normalized state [B, n_obs_steps, state_dim]",
    "in.observation.images.": "normalized image [B, n_obs_steps, 3, H, W], before resize/crop",
    "in.language.tokens": "token ids [B, 77], int64",
    "in.language.attention_mask": "1 = token, 0 = padding [B, 77], int64",
    "in.x_t": "noisy actions [B, horizon, action_dim]",
    "in.t": "timestep per sample (int64 for diffusion, float in [0,1] for flow matching)",
    "mid.image_preprocessed": "all images after resize and center crop, flattened (b s n) c h w",
    "mid.vision_cls": "CLS feature of every preprocessed image, by the first vision encoder [(b s n), d]",
    "mid.text_pooled": "pooled CLIP text feature [B, d_text]",
    "mid.text_projected": "projected text feature [B, hidden_dim]",
    "mid.conditioning": "conditioning vector [B, conditioning_dim]",
    "mid.time_embedding": "time MLP output [B, timestep_embed_dim]",
    "out.denoiser": "denoiser output at (x_t, t) [B, horizon, action_dim]",
    "out.sample": "sampled normalized actions [B, horizon, action_dim]",
    "out.chunk": "the executed slice [B, n_action_steps, action_dim]",
    "train.action_is_pad": "1 = padded step [B, horizon], int64",
    "train.action": "normalized target actions [B, horizon, action_dim]",
    "train.noise": "noise of each optimizer step [K, B, horizon, action_dim]",
    "train.t": "timesteps of each optimizer step [K, B]",
    "train.losses": "loss before each of K Adam steps (two groups: vision encoder at lr*multiplier), no dropout, "
    "center crop, gradient-norm clip as in case.json",
    "train.grad_norms": "global gradient norm before clipping, each step",
    "grad.": "gradient at the first step",
    "after.": "parameter after K steps",
    "sample.initial_noise": "initial noise [B, horizon, action_dim]",
    "sample.step_noise": "noise added at each DDPM step, in order; diffusers draws none at t=0 "
    "[n, B, horizon, action_dim]",
    "sample.timesteps": "scheduler timesteps in order, int64",
    "schedule.alphas_cumprod": "alphas_cumprod [num_train_timesteps]",
    "raw.": "raw observation: task as UTF-8 bytes, frames u8 and state oldest first, initial noise",
    "expect.": "what LeRobot's processors and policy make of the raw observation of this number",
}


def meaning(key: str) -> str:
    """The longest entry of the table that a tensor's name begins with."""
    return MEANINGS[max((name for name in MEANINGS if key.startswith(name)), key=len)]


def write_case(folder: Path, spec: Spec, tensors: Tensors) -> None:
    """Writes io.safetensors and case.json."""
    config = json.loads((folder / "checkpoint/config.json").read_text())
    optimizer = {key: config[f"optimizer_{key}"] for key in ("lr", "betas", "eps", "weight_decay")}
    optimizer |= {"vision_lr_multiplier": config["vision_encoder_lr_multiplier"], "clip_norm": CLIP_NORM}
    about = {
        key: {"shape": list(tensor.shape), "dtype": str(tensor.dtype), "is": meaning(key)}
        for key, tensor in tensors.items()
    }
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, folder / "io.safetensors")
    case = {"case": spec, "optimizer": optimizer, "tensors": about}
    (folder / "case.json").write_text(json.dumps(case, indent=1) + "\n")


def fresh(folder: Path, changes: list[str]) -> str:
    """A new case: random weights, then everything computed from the checkpoint just as it was saved."""
    spec = spec_with(changes)
    checkpoint = folder.resolve() / "checkpoint"
    (checkpoint / "clip").mkdir(parents=True)
    clip_of(spec["clip"]).save_pretrained(checkpoint / "clip")
    config = config_of(spec)
    config._save_pretrained(checkpoint)
    torch.manual_seed(spec["seed"])
    with tower_folder(checkpoint):
        policy = MultiTaskDiTPolicy(config)
    randomize(policy, spec["seed"], spec["std"])
    policy.save_pretrained(checkpoint)
    inputs = draw_inputs(config, spec)
    write_case(folder, spec, inputs | compute(open_checkpoint(checkpoint), inputs))
    return f"{folder.name}: {(folder / 'io.safetensors').stat().st_size // 1024} KiB"


def from_checkpoint(checkpoint: Path, folder: Path, clip: Path | None) -> str:
    """A case on somebody's checkpoint, copied as it is."""
    copy = folder / "checkpoint"
    shutil.copytree(checkpoint, copy)
    if clip is not None:
        shutil.copytree(clip, copy / "clip")
    opened = open_checkpoint(copy)
    spec = spec_of(checkpoint, opened.policy.config, clip_config(copy), TASKS)
    inputs = draw_inputs(opened.policy.config, spec)
    if spec["pipeline"]:
        inputs |= draw_pipeline(opened, TASKS, spec["seed"])
    write_case(folder, spec, inputs | compute(opened, inputs))
    return f"{folder.name}: {len(inputs)} inputs, {(folder / 'io.safetensors').stat().st_size // 1024} KiB"


def verify(folder: Path) -> dict[str, float]:
    """Computes a case again from its inputs; the largest relative difference of every kind of output."""
    stored = load_file(folder / "io.safetensors")
    computed = compute(open_checkpoint(folder / "checkpoint"), stored)
    inputs = ("in.", "raw.", "train.action", "train.noise", "train.t", "sample.initial_noise", "sample.step_noise")
    expected = {key for key in stored if not key.startswith(inputs)}
    assert expected == set(computed), f"{folder}: {sorted(expected ^ set(computed))}"
    worst: dict[str, float] = defaultdict(float)
    # Softmax does not see the bias of its keys: that gradient is rounding alone, different on every machine.
    for key in sorted(key for key in expected if not key.endswith("k_proj.bias")):
        kind = key.split(".")[0]
        worst[kind] = max(worst[kind], difference(computed[key], stored[key]))
    return dict(sorted(worst.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    new = commands.add_parser("fresh")
    new.add_argument("out", type=Path)
    new.add_argument("changes", nargs="*", metavar="KEY=VALUE")
    given = commands.add_parser("from")
    given.add_argument("checkpoint", type=Path)
    given.add_argument("out", type=Path)
    given.add_argument("--clip", type=Path, help="folder with CLIP's config.json, when not in the checkpoint")
    existing = commands.add_parser("verify")
    existing.add_argument("cases", type=Path, nargs="+")
    arguments = parser.parse_args()
    if arguments.command == "fresh":
        print(fresh(arguments.out, arguments.changes))
    elif arguments.command == "from":
        print(from_checkpoint(arguments.checkpoint, arguments.out, arguments.clip))
    else:
        results = {case.name: verify(case) for case in arguments.cases}
        for name, worst in results.items():
            print(name, " ".join(f"{kind} {value:.1e}" for kind, value in worst.items()))
        largest = max(max(worst.values()) for worst in results.values())
        print(f"{len(results)} cases, largest relative difference {largest:.1e}")
        assert largest <= TOLERANCE, f"{largest:.1e} is more than {TOLERANCE:.0e}"


if __name__ == "__main__":
    main()
