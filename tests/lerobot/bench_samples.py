"""How fast LeRobot makes samples ready: the parts of `bench.py` that need a dataset and no weights.

The dataset, the order of its samples and the loader are those of `lerobot-train` with its default settings. A sample is
ready when it lies in a collated batch, pictures of videos as bytes of full size: what `lerobot-train` does next, to
floats, the tokens of the instruction, the normalisation, the resize and the crop, is not measured.
"""

from __future__ import annotations

import argparse
import time
from importlib.metadata import version

from lerobot.configs import PreTrainedConfig
from lerobot.configs.train import TrainPipelineConfig
from lerobot.datasets import EpisodeAwareSampler, LeRobotDataset, LeRobotDatasetMetadata, resolve_delta_timestamps
from lerobot.policies.multi_task_dit.configuration_multi_task_dit import MultiTaskDiTConfig
from lerobot.utils.collate import lerobot_collate_fn
from lerobot.utils.import_utils import get_safe_default_video_backend
from lerobot.utils.utils import cycle
from torch.utils.data import DataLoader

from bench_measure import answer, describe

# A name for a dataset that is on this machine.
REPO_ID = "mtdit/bench"
# The seed of the order, that of `mtdit bench`: both make the same batches.
SEED = 0


def open_dataset(config: MultiTaskDiTConfig, arguments: argparse.Namespace) -> tuple[LeRobotDataset, str]:
    """The dataset with the windows of a policy, and what decodes it: torchcodec where it can be loaded, else PyAV."""
    backend = get_safe_default_video_backend()
    windows = resolve_delta_timestamps(config, LeRobotDatasetMetadata(REPO_ID, root=arguments.dataset))
    dataset = LeRobotDataset(
        REPO_ID, root=arguments.dataset, delta_timestamps=windows, video_backend=backend, return_uint8=True
    )
    return dataset, backend


def loader(config: MultiTaskDiTConfig, arguments: argparse.Namespace) -> DataLoader:
    """The loader of `lerobot-train`."""
    dataset, _ = open_dataset(config, arguments)
    episodes, defaults = dataset.meta.episodes, TrainPipelineConfig
    sampler = EpisodeAwareSampler(
        episodes["dataset_from_index"],
        episodes["dataset_to_index"],
        drop_n_last_frames=config.drop_n_last_frames,
        shuffle=True,
        seed=SEED,
    )
    has_workers = arguments.num_workers > 0
    return DataLoader(
        dataset,
        batch_size=arguments.batch[0],
        sampler=sampler,
        num_workers=arguments.num_workers,
        collate_fn=lerobot_collate_fn if dataset.meta.has_language_columns else None,
        prefetch_factor=defaults.prefetch_factor if has_workers else None,
        persistent_workers=defaults.persistent_workers and has_workers,
        multiprocessing_context=defaults.dataloader_multiprocessing_context if has_workers else None,
    )


def describe_dataset(arguments: argparse.Namespace) -> None:
    """Says what decodes the dataset. A sample is read: what cannot be used shows before anything is measured."""
    dataset, backend = open_dataset(PreTrainedConfig.from_pretrained(arguments.checkpoint), arguments)
    assert "action" in dataset[0], "the first sample holds no action"
    decoder = f"{backend} {version('av' if backend == 'pyav' else backend)} in LeRobot"
    describe(**{"video backend": decoder if dataset.meta.video_keys else "none, the pictures are in parquet files"})


def samples(arguments: argparse.Namespace) -> None:
    """Samples per second of every run that counts."""
    config = PreTrainedConfig.from_pretrained(arguments.checkpoint)
    batches = cycle(loader(config, arguments))
    # Workers start and files are opened before the clock does.
    next(batches)
    rates = []
    for _ in range(arguments.warmup + arguments.runs):
        began = time.perf_counter()
        count = sum(len(next(batches)["index"]) for _ in range(arguments.batches_per_run))
        rates.append(count / (time.perf_counter() - began))
    answer(config, "samples_decoded", rates[arguments.warmup :], batch=arguments.batch[0])
