"""Proves that LeRobotDataset opens a dataset that mtdit wrote, and reads back every value.

    open_dataset.py DATASET [--expect ITEMS.safetensors]

ITEMS holds `item.<index>.<key>`: what the item of that index must be with an observation window of two and an
action window of eight (`task` as UTF-8 bytes, pictures as u8). Keys that are absent there are not compared.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from safetensors.torch import load_file
from torch import Tensor

from chance import difference

OBSERVATION_STEPS = (-1, 0)
ACTION_STEPS = tuple(range(-1, 7))
TOLERANCE = 1e-6


def open_windows(folder: Path) -> LeRobotDataset:
    """Opens the folder offline, with the windows of a policy of two observations and a horizon of eight."""
    plain = LeRobotDataset("mtdit/written", root=folder, video_backend="pyav")
    windows: dict[str, list[float]] = {}
    for key in plain.meta.features:
        if key.startswith("observation"):
            windows[key] = [step / plain.fps for step in OBSERVATION_STEPS]
        if key == "action":
            windows[key] = [step / plain.fps for step in ACTION_STEPS]
    return LeRobotDataset(
        "mtdit/written", root=folder, delta_timestamps=windows, video_backend="pyav", return_uint8=True
    )


def as_tensor(value: Any) -> Tensor:
    """An item's value in the form in which expectations are stored."""
    if isinstance(value, str):
        return torch.tensor(list(value.encode()), dtype=torch.uint8)
    return torch.as_tensor(value)


def walk(dataset: LeRobotDataset) -> int:
    """Reads every item; their indices must count up and every number must be finite. Counts the values."""
    values = 0
    for index in range(len(dataset)):
        item = dataset[index]
        assert int(item["index"]) == index, f"item {index} says it is {int(item['index'])}"
        assert isinstance(item["task"], str) and item["task"], f"item {index} has the task {item['task']!r}"
        for key, value in item.items():
            tensor = as_tensor(value)
            assert tensor.isfinite().all(), f"item {index}: {key} is not finite"
            values += tensor.numel()
    return values


def compare(dataset: LeRobotDataset, expected: dict[str, Tensor]) -> tuple[int, float]:
    """Every stored expectation against what LeRobot returns: how many, and the largest relative difference."""
    worst, compared, items = 0.0, 0, {}
    for name, wanted in expected.items():
        if not name.startswith("item."):
            continue
        _, index, key = name.split(".", 2)
        if index not in items:
            items[index] = dataset[int(index)]
        value = as_tensor(items[index][key])
        if wanted.dtype == torch.uint8 and value.is_floating_point():
            value = (value * 255).round().to(torch.uint8)
        worst, compared = max(worst, difference(value.to(wanted.dtype), wanted)), compared + 1
    assert compared, "the expectations name no item"
    return compared, worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--expect", type=Path)
    arguments = parser.parse_args()
    dataset = open_windows(arguments.dataset)
    meta = dataset.meta
    assert meta.stats is not None and set(meta.stats) >= {"action", "observation.state"}, "statistics are missing"
    line = f"{meta.total_episodes} episodes, {len(dataset)} items, {walk(dataset)} values read"
    if arguments.expect:
        compared, worst = compare(dataset, load_file(arguments.expect))
        line += f", {compared} compared: largest relative difference {worst:.1e}"
        assert worst <= TOLERANCE, f"{line}, more than {TOLERANCE:.0e}"
    print(line)


if __name__ == "__main__":
    main()
