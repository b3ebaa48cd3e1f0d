"""How `bench.py` measures, and how it answers: lines of JSON on standard output, and nothing else there."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

import torch
from lerobot.configs import PreTrainedConfig

# LeRobot prints, but the answers must stay alone.
ANSWERS = sys.stdout


def wait(device: str) -> None:
    """Until the device has done all its work."""
    if device == "cuda":
        torch.cuda.synchronize()


def repeated(arguments: argparse.Namespace, work: Callable[[], object]) -> list[float]:
    """The milliseconds of every run that counts."""
    times = []
    for _ in range(arguments.warmup + arguments.runs):
        wait(arguments.device)
        began = time.perf_counter()
        work()
        wait(arguments.device)
        times.append(1e3 * (time.perf_counter() - began))
    return times[arguments.warmup :]


def answer(config: PreTrainedConfig, stage: str, values: list[float], **what: object) -> None:
    """What was measured of a stage."""
    cameras = len(config.image_features)
    line = {"stage": stage, "sampler": None, "cameras": cameras, "batch": None, "compiled": False, "all": values}
    print(json.dumps(line | what), file=ANSWERS, flush=True)


def describe(**facts: str) -> None:
    """Versions, and what else the report should say."""
    print(json.dumps({"LeRobot": version("lerobot"), "PyTorch": torch.__version__} | facts), file=ANSWERS, flush=True)
