"""Policies with random weights, written twice: as LeRobot's checkpoint and as ONNX graphs of the same modules.

    export_onnx.py OUT MODEL ...        models: small, default

`OUT/MODEL/` then holds

    checkpoint/             config.json, model.safetensors and clip/config.json: what mtdit loads
    onnx/vision.onnx        pixels [frames, 3, size, size] -> feature [frames, width]
    onnx/text.onnx          tokens [1, length] -> feature [1, hidden]
    onnx/joint.onnx         x, t, conditioning -> prediction: LeRobot's denoiser as it is
    onnx/time.onnx          t [steps] -> the time's part of every modulation [steps, layers, 6 * hidden]
    onnx/condition.onnx     conditioning -> its part of every modulation [1, layers, 6 * hidden]
    onnx/step.onnx          x, both parts and the number of the step -> prediction
    reference.safetensors   inputs and LeRobot's own outputs, for the graphs to be equal to
    bench.json              sizes, sentences with their tokens, times of the steps; written last

`time`, `condition` and `step` are the split that mtdit computes: the same trick, offered to ONNX Runtime as well.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import warnings
from itertools import product
from os import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lerobot.configs import FeatureType, NormalizationMode, PolicyFeature
from lerobot.policies.multi_task_dit.configuration_multi_task_dit import MultiTaskDiTConfig
from lerobot.policies.multi_task_dit.modeling_multi_task_dit import MultiTaskDiTPolicy
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTokenizerFast

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/lerobot"))

from chance import sampling_noise  # noqa: E402
from golden_inputs import as_fields, clip_of, randomize  # noqa: E402
from towers import TOKENIZER, write_towers  # noqa: E402

OPSET = 17
STEPS = 10
SEED = 3
CAMERAS = ("top", "wrist")
# Shapes of CLIP towers; ViT-B/16 and the small preset's. Both take OpenAI's rule for the end of a sentence.
WORDS = {"vocab": 49408, "bos": 49406, "eos": 49407, "eos_cfg": 2, "pad": 49407}
VIT_B16 = WORDS | {
    "v_dim": 768, "v_ff": 3072, "v_layers": 12, "v_heads": 12, "image": 224, "patch": 16,
    "t_dim": 512, "t_ff": 2048, "t_layers": 12, "t_heads": 8, "proj": 512,
}  # fmt: skip
TINY = WORDS | {
    "v_dim": 128, "v_ff": 512, "v_layers": 3, "v_heads": 2, "image": 112, "patch": 16,
    "t_dim": 64, "t_ff": 256, "t_layers": 2, "t_heads": 1, "proj": 64,
}  # fmt: skip
MODELS: dict[str, dict[str, Any]] = {
    "default": {"clip": VIT_B16, "frame": [480, 640], "state_dim": 6, "action_dim": 6, "preset": None},
    "small": {"clip": TINY, "frame": [128, 128], "state_dim": 4, "action_dim": 4, "preset": "models/presets/small/config.json"},
}


class Vision(nn.Module):
    """The vision tower as the policy uses it: the class token of the last layer."""

    def __init__(self, policy: MultiTaskDiTPolicy):
        super().__init__()
        self.tower = policy.observation_encoder.vision_encoder

    def forward(self, pixels: Tensor) -> Tensor:
        return self.tower.model(pixel_values=pixels).last_hidden_state[:, 0]


class Text(nn.Module):
    """The text tower and its projection, for a sentence of known length that ends with end-of-text.

    transformers makes its causal mask in a way that cannot be traced, so the mask is a constant here.
    """

    def __init__(self, policy: MultiTaskDiTPolicy, length: int):
        super().__init__()
        encoder = policy.observation_encoder.text_encoder
        self.tower, self.projection = encoder.text_encoder.text_model, encoder.projection
        mask = torch.full((1, 1, length, length), torch.finfo(torch.float32).min).triu(1)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.tower.embeddings(input_ids=tokens)
        hidden = self.tower.encoder(inputs_embeds=hidden, attention_mask=self.mask).last_hidden_state
        return self.projection(self.tower.final_layer_norm(hidden[:, -1]))


class Denoiser(nn.Module):
    """Both ways to the prediction."""

    def __init__(self, policy: MultiTaskDiTPolicy):
        super().__init__()
        self.network = policy.noise_predictor
        self.rows = policy.config.timestep_embed_dim

    def modulation(self, condition: Tensor, columns: slice, bias: bool) -> Tensor:
        """One part of `W silu([time | conditioning]) + b` of every block, `[rows, layers, 6 * hidden]`."""
        condition = nn.functional.silu(condition)
        linears = [block.adaLN_modulation[1] for block in self.network.transformer_blocks]
        parts = [nn.functional.linear(condition, w.weight[:, columns], w.bias if bias else None) for w in linears]
        return torch.stack(parts, dim=1)


class Joint(Denoiser):
    """LeRobot's own forward."""

    def forward(self, x: Tensor, t: Tensor, conditioning: Tensor) -> Tensor:
        return self.network(x, t, conditioning_vec=conditioning)


class Time(Denoiser):
    """Once per set of timesteps."""

    def forward(self, t: Tensor) -> Tensor:
        return self.modulation(self.network.time_mlp(t), slice(0, self.rows), bias=False)


class Condition(Denoiser):
    """Once per chunk."""

    def forward(self, conditioning: Tensor) -> Tensor:
        return self.modulation(conditioning, slice(self.rows, None), bias=True)


class Step(Denoiser):
    """What is left of a denoising step."""

    def forward(self, x: Tensor, time: Tensor, condition: Tensor, step: Tensor) -> Tensor:
        modulation = torch.index_select(time, 0, step) + condition
        hidden = self.network.input_proj(x)
        for index, block in enumerate(self.network.transformer_blocks):
            hidden = self.block(block, hidden, modulation[:, index])
        return self.network.output_proj(hidden)

    @staticmethod
    def block(block: nn.Module, x: Tensor, modulation: Tensor) -> Tensor:
        """LeRobot's `TransformerBlock.forward` behind its first line."""
        parts = modulation.unsqueeze(1).chunk(6, dim=2)
        shift_msa, scale_msa, gate_msa, shift_mlp, scale_mlp, gate_mlp = parts
        x = x + gate_msa * block.attn(block.norm1(x) * (1 + scale_msa) + shift_msa)
        return x + gate_mlp * block.mlp(block.norm2(x) * (1 + scale_mlp) + shift_mlp)


def config_of(model: dict[str, Any]) -> MultiTaskDiTConfig:
    """LeRobot's defaults, or a preset, for two cameras; flow matching shows a wrong prediction in the chunk."""
    preset = json.loads((ROOT / model["preset"]).read_text()) if model["preset"] else {}
    fields = as_fields({key: value for key, value in preset.items() if key != "type"})
    fields |= {"objective": "flow_matching", "num_integration_steps": STEPS, "image_crop_is_random": False}
    features = {"observation.state": PolicyFeature(FeatureType.STATE, (model["state_dim"],))}
    for camera in CAMERAS:
        features[f"observation.images.{camera}"] = PolicyFeature(FeatureType.VISUAL, (3, *model["frame"]))
    config = MultiTaskDiTConfig(
        input_features=features,
        output_features={"action": PolicyFeature(FeatureType.ACTION, (model["action_dim"],))},
        normalization_mapping={kind: NormalizationMode.IDENTITY for kind in ("VISUAL", "STATE", "ACTION")},
        device="cpu",
        push_to_hub=False,
        **fields,
    )
    # The contenders cut the middle out of a frame and resize nothing.
    assert config.image_resize_shape in (None, tuple(model["frame"])), "frames would be resized"
    assert config.use_rope and not config.use_positional_encoding, "the split graph knows rotary positions only"
    return config


def make_policy(model: dict[str, Any], checkpoint: Path) -> MultiTaskDiTPolicy:
    """A random policy, saved."""
    (checkpoint / "clip").mkdir(parents=True)
    config = config_of(model)
    config._save_pretrained(checkpoint)
    clip_of(model["clip"]).save_pretrained(checkpoint / "clip")
    before = Path.cwd()
    with TemporaryDirectory() as folder:
        write_towers(checkpoint, Path(folder))
        chdir(folder)
        policy = MultiTaskDiTPolicy(config)
        chdir(before)
    randomize(policy, SEED, std=0.6)
    policy.save_pretrained(checkpoint)
    return policy.eval()


def sentences() -> list[dict[str, Any]]:
    """Instructions of equal length, so that one graph of fixed shape computes them all; tokens end with end-of-text.

    Text attention is causal and the feature is taken at end-of-text: padding behind it changes nothing.
    """
    tokenizer = CLIPTokenizerFast(
        tokenizer_file=str(TOKENIZER), bos_token="<|startoftext|>", eos_token="<|endoftext|>", pad_token="<|endoftext|>"
    )
    colours, things = ("red", "green", "blue", "black"), ("cup", "box", "ball", "book")
    places = ("table", "chair", "floor", "shelf")
    words = product(colours, things, places)
    texts = [f"put the {colour} {thing} on the {place}" for colour, thing, place in words]
    tokens = [tokenizer(text)["input_ids"] for text in texts]
    assert {len(line) for line in tokens} == {len(tokens[0])}, "the sentences have different lengths"
    return [{"text": text, "tokens": line} for text, line in zip(texts, tokens, strict=True)]


def export(module: nn.Module, inputs: dict[str, Tensor], output: str, path: Path, dynamic: dict | None = None) -> None:
    """One graph in one file. The TorchScript exporter, because it keeps weights inside and fuses nothing of its own."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(), tuple(inputs.values()), str(path), dynamo=False, opset_version=OPSET,
            input_names=list(inputs), output_names=[output], dynamic_axes=dynamic, do_constant_folding=True,
        )  # fmt: skip
    print(f"  {path.name:16} {path.stat().st_size / 2**20:7.1f} MiB", flush=True)


@torch.no_grad()
def reference(policy: MultiTaskDiTPolicy, tokens: Tensor) -> dict[str, Tensor]:
    """Inputs, and what LeRobot computes from them."""
    config, draw = policy.config, torch.Generator().manual_seed(SEED + 1)
    size, actions = config.image_crop_shape, (1, config.horizon, config.action_feature.shape[0])
    out = {"pixels": torch.rand(1, 3, *size, generator=draw)}
    out["vision"] = policy.observation_encoder.vision_encoder(out["pixels"]).flatten(1)
    out["text"] = policy.observation_encoder.text_encoder(tokens, torch.ones_like(tokens))
    out["conditioning"] = torch.randn(1, policy.observation_encoder.conditioning_dim, generator=draw)
    out["x"], out["t"] = torch.randn(actions, generator=draw), torch.rand(1, generator=draw)
    out["prediction"] = policy.noise_predictor(out["x"], out["t"], conditioning_vec=out["conditioning"])
    out["noise"] = torch.randn(actions, generator=draw)
    with sampling_noise(out["noise"]):
        out["chunk"] = policy.objective.conditional_sample(policy.noise_predictor, 1, out["conditioning"])
    return {key: value.contiguous() for key, value in out.items()}


def export_all(policy: MultiTaskDiTPolicy, io: dict[str, Tensor], tokens: Tensor, times: Tensor, folder: Path) -> None:
    """All six graphs."""
    folder.mkdir()
    frames = {"pixels": {0: "frames"}, "feature": {0: "frames"}}
    # Traced with several frames: a batch of one is easily taken for a constant.
    export(Vision(policy), {"pixels": io["pixels"].repeat(4, 1, 1, 1)}, "feature", folder / "vision.onnx", frames)
    export(Text(policy, tokens.shape[1]), {"tokens": tokens}, "feature", folder / "text.onnx")
    joint = {key: io[key] for key in ("x", "t", "conditioning")}
    export(Joint(policy), joint, "prediction", folder / "joint.onnx")
    time, condition = Time(policy), Condition(policy)
    export(time, {"t": times}, "time", folder / "time.onnx")
    export(condition, {"conditioning": io["conditioning"]}, "condition", folder / "condition.onnx")
    with torch.no_grad():
        parts = {"time": time(times), "condition": condition(io["conditioning"])}
    step = {"x": io["x"], **parts, "step": torch.zeros(1, dtype=torch.int32)}
    export(Step(policy), step, "prediction", folder / "step.onnx")


def write_model(name: str, folder: Path) -> None:
    """One model, under a temporary name until it is whole."""
    model, partial = MODELS[name], folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    policy = make_policy(model, partial / "checkpoint")
    config, lines = policy.config, sentences()
    tokens = torch.tensor([lines[0]["tokens"]])
    times = torch.linspace(0, 1, STEPS + 1)[:-1]
    io = reference(policy, tokens)
    save_file(io, partial / "reference.safetensors")
    export_all(policy, io, tokens, times, partial / "onnx")
    about = {
        "name": name, "cameras": list(CAMERAS), "frame": model["frame"],
        "crop": list(config.image_crop_shape), "n_obs_steps": config.n_obs_steps, "horizon": config.horizon,
        "state_dim": model["state_dim"], "action_dim": model["action_dim"], "hidden_dim": config.hidden_dim,
        "layers": config.num_layers, "heads": config.num_heads, "steps": STEPS, "times": times.tolist(),
        "parameters": sum(p.numel() for p in policy.parameters()),
        "denoiser_parameters": sum(p.numel() for p in policy.noise_predictor.parameters()),
        "opset": OPSET, "torch": torch.__version__, "sentences": lines,
    }  # fmt: skip
    (partial / "bench.json").write_text(json.dumps(about, indent=1) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "models", choices=MODELS, nargs="+", metavar="MODEL", help="small (11 M parameters), default (249 M)"
    )
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.models:
        print(f"{name}: random weights, LeRobot's checkpoint and ONNX graphs", flush=True)
        write_model(name, arguments.out.resolve() / name)


if __name__ == "__main__":
    main()
