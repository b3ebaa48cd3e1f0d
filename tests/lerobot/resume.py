"""Proves that `lerobot-train --resume=true` continues a training that mtdit began, to its end.

    resume.py CHECKPOINT --steps N [--clip DIR]

CHECKPOINT is a step folder (`…/checkpoints/000010`). Run it where mtdit ran: paths in the training's own
configuration are relative to that folder, and the CLIP towers are written into it.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

from safetensors.torch import load_file

from towers import write_towers


def train_on(checkpoint: Path, steps: int) -> str:
    """Runs LeRobot's own command; returns what it logged."""
    command = [
        Path(sys.executable).with_name("lerobot-train"),
        "--resume=true",
        f"--config_path={checkpoint / 'pretrained_model/train_config.json'}",
        f"--steps={steps}",
        "--num_workers=0",
        "--dataset.video_backend=pyav",
        "--log_freq=1",
    ]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    log = done.stdout + done.stderr
    if done.returncode:
        print(log, file=sys.stderr)
        raise SystemExit(f"lerobot-train ended with {done.returncode}")
    return log


def check_end(before: Path, after: Path, steps: int) -> int:
    """The training state reached `steps`, every weight is finite, and every trained one has moved. Counts those."""
    state = after / "training_state"
    assert json.loads((state / "training_step.json").read_text())["step"] == steps
    assert json.loads((state / "scheduler_state.json").read_text())["last_epoch"] == steps
    counts = {value.item() for key, value in load_file(state / "optimizer_state.safetensors").items() if "step" in key}
    assert counts == {float(steps)}, f"the optimizer's own step counts are {counts}"
    old, new = (load_file(folder / "pretrained_model/model.safetensors") for folder in (before, after))
    assert old.keys() == new.keys()
    assert all(value.isfinite().all() for value in new.values()), "a weight is not finite"
    moved = {key for key in new if not old[key].equal(new[key])}
    still = {key for key in new if "text_encoder.text_encoder" in key or "post_layernorm" in key}
    assert moved == new.keys() - still, f"moved or not against expectation: {sorted(moved ^ (new.keys() - still))}"
    return len(moved)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--clip", type=Path, help="folder with CLIP's config.json, when not in the checkpoint")
    arguments = parser.parse_args()
    checkpoint = arguments.checkpoint.resolve()
    begun = json.loads((checkpoint / "training_state/training_step.json").read_text())
    write_towers(checkpoint / "pretrained_model", Path.cwd(), arguments.clip)
    log = train_on(checkpoint, arguments.steps)
    after = checkpoint.parent / "last"
    moved = check_end(checkpoint, after, arguments.steps)
    place = re.search(r"Resuming data order at (epoch \d+, sample \d+)", log)
    losses = re.findall(r"loss:([\d.]+)", log)
    assert place and len(losses) == arguments.steps - begun["step"], log
    print(f"step {begun['step']} to {arguments.steps}, resumed at {place[1]}, {moved} tensors trained, losses", *losses)


if __name__ == "__main__":
    main()
