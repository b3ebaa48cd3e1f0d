"""CLIP towers and a tokenizer as local folders, so that LeRobot works offline on any checkpoint.

LeRobot builds its CLIP towers by name before it overwrites their weights with the checkpoint's. A relative name is
looked up in the current folder first, so a folder of that name, with random weights of the right shape, is enough.
The shape comes from `clip/config.json` in the checkpoint folder.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from transformers import CLIPConfig, CLIPModel
from transformers.utils import logging

# Loading one tower out of a CLIP folder leaves the other's tensors over, which is not news here.
logging.set_verbosity_error()
logging.disable_progress_bar()

TOKENIZER = Path(__file__).resolve().parents[2] / "crates/mtdit-policy/src/preprocess/tokenizer.json"
TOKENIZER_CONFIG = {
    "tokenizer_class": "CLIPTokenizer",
    "bos_token": "<|startoftext|>",
    "eos_token": "<|endoftext|>",
    "unk_token": "<|endoftext|>",
    "pad_token": "<|endoftext|>",
    "model_max_length": 77,
}


def clip_config(checkpoint: Path, clip: Path | None = None) -> CLIPConfig:
    """The shape of a checkpoint's CLIP towers: from `clip/` in it, or from the folder given."""
    return CLIPConfig.from_pretrained(clip or checkpoint / "clip")


def write_tower(config: CLIPConfig, folder: Path) -> None:
    """Writes a random CLIP model of this shape, and CLIP's tokenizer, as a folder `from_pretrained` accepts."""
    folder.mkdir(parents=True, exist_ok=True)
    CLIPModel(config).save_pretrained(folder)
    shutil.copyfile(TOKENIZER, folder / "tokenizer.json")
    (folder / "tokenizer_config.json").write_text(json.dumps(TOKENIZER_CONFIG, indent=2))


def tower_names(checkpoint: Path) -> set[str]:
    """Every CLIP name that LeRobot looks up when it opens this checkpoint."""
    config = json.loads((checkpoint / "config.json").read_text())
    names = {config["vision_encoder_name"], config["text_encoder_name"]}
    preprocessor = checkpoint / "policy_preprocessor.json"
    if preprocessor.exists():
        steps = json.loads(preprocessor.read_text())["steps"]
        names |= {step["config"]["tokenizer_name"] for step in steps if "tokenizer_name" in step["config"]}
    return names


def write_towers(checkpoint: Path, folder: Path, clip: Path | None = None) -> None:
    """Writes into `folder` every CLIP folder that this checkpoint names; LeRobot must then run in `folder`."""
    for name in sorted(tower_names(checkpoint)):
        if Path(name).is_absolute():
            raise ValueError(f"{checkpoint}: the CLIP name {name!r} is an absolute path")
        if not (folder / name / "model.safetensors").exists():
            write_tower(clip_config(checkpoint, clip), folder / name)
