//! The command line's types, and nothing else.
#![expect(clippy::doc_markdown, reason = "the comments are the help text, which has no Markdown")]

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use mtdit_policy::SamplerSettings;
use mtdit_tabletop::Family;

/// Train and run Multi-Task Diffusion Transformer robot policies.
#[derive(Debug, Parser)]
#[command(name = "mtdit", version, about, long_about = None, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Where to compute
    #[arg(long, value_enum, default_value_t, global = true)]
    pub(crate) device: DeviceName,
}

const EXAMPLES: &str = "Examples:
  mtdit dataset info  datasets/my_robot
  mtdit train         --dataset.root=datasets/my_robot --output_dir=outputs/my_robot
  mtdit predict       --checkpoint outputs/my_robot --image top=now.png --state 0.1,0.2,0.3 --task \"pick up the cube\" --out chunk.json
  mtdit eval          --checkpoint outputs/my_robot --dataset datasets/my_robot --out outputs/my_robot/eval
  mtdit rollout       --checkpoint outputs/tabletop --out outputs/tabletop/rollout
  mtdit bench         --checkpoint outputs/my_robot
  mtdit inspect       outputs/my_robot
  mtdit publish       outputs/my_robot --out site --dtype f16 --serve";

const ROLLOUT_EXAMPLES: &str = "Examples:
  mtdit rollout --checkpoint outputs/tabletop --out rollout                     # how often is each task done?
  mtdit rollout --checkpoint outputs/tabletop --out rollout --tasks push,around --episodes 50
  mtdit rollout --checkpoint outputs/tabletop --out rollout --swap              # does it listen to the words?
  mtdit rollout --policy expert  --out expert                                   # what can be reached
  mtdit rollout --policy nearest --out nearest --dataset datasets/tabletop      # what remembering alone can do

The same --seed gives every policy the same scenes.";

const BENCH_EXAMPLES: &str = "Examples:
  mtdit bench                                                    # LeRobot's default architecture, random weights
  mtdit bench --checkpoint outputs/my_robot --samplers ddim-10,dpm++-5 --runs 50
  mtdit bench --cameras 1,2,3 --batch 1,8 --training --out bench.json
  mtdit bench --compare lerobot --python ~/.cache/mtdit/lerobot-venv/bin/python
  mtdit bench --dataset datasets/my_robot --checkpoint outputs/my_robot --num_workers 2    # samples per second

Nothing else should run on the machine meanwhile.";

const GENERATE_EXAMPLES: &str = "Examples:
  mtdit dataset generate tabletop --episodes 2000 --out datasets/tabletop
  mtdit dataset generate tabletop --episodes 200  --out datasets/pushes --tasks push,place
  mtdit train   --dataset.root=datasets/tabletop --output_dir=outputs/tabletop";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a policy on a `LeRobot` dataset (`LeRobot`'s flags; `mtdit train --help` lists them)
    #[command(disable_help_flag = true)]
    Train {
        /// LeRobot's flags, as --name=value.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAGS")]
        arguments: Vec<String>,
    },
    /// Sample an action chunk from a checkpoint for one observation
    Predict(PredictArguments),
    /// Measure a checkpoint on held-out episodes of a dataset
    Eval(EvalArguments),
    /// Let a checkpoint act in a simulated world, and count what it gets done
    #[command(after_help = ROLLOUT_EXAMPLES)]
    Rollout(RolloutArguments),
    /// Measure how long a policy or the loading of its samples takes on this machine, and how long LeRobot takes
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(BenchArguments),
    /// Show what is in a checkpoint or a dataset
    Inspect(InspectArguments),
    /// Make a site on which visitors run checkpoints in their browser
    Publish(PublishArguments),
    /// Look at, check, rewrite or make a LeRobot dataset
    Dataset {
        #[command(subcommand)]
        command: DatasetCommand,
    },
}

/// Where to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeviceName {
    /// The best that this build and machine have.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// An NVIDIA GPU (needs a build with --features cuda).
    Cuda,
    /// Vulkan, Metal or DirectX (needs a build with --features wgpu).
    Wgpu,
}

/// How to sample.
#[derive(Clone, Debug, Args)]
pub(crate) struct SamplerArguments {
    /// Sampler: ddpm, ddim or dpm++ for diffusion; euler, midpoint or rk4 for flow matching [default: the checkpoint's]
    #[arg(long, value_name = "NAME")]
    pub(crate) sampler: Option<String>,
    /// Denoising or integration steps [default: the checkpoint's]
    #[arg(long, value_name = "N")]
    pub(crate) steps: Option<usize>,
    /// Start diffusion at full noise instead of where LeRobot's spacing starts
    #[arg(long)]
    pub(crate) trailing: bool,
    /// Seed of the noise, and of the scenes of a rollout
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct PredictArguments {
    /// Checkpoint: a pretrained_model folder, or a training output
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoint: PathBuf,
    /// A camera's picture, as NAME=FILE; again for an older history, oldest first
    #[arg(long = "image", value_name = "CAMERA=FILE")]
    pub(crate) images: Vec<String>,
    /// The state, as comma-separated numbers; again for an older history, oldest first
    #[arg(long = "state", value_name = "NUMBERS", allow_hyphen_values = true)]
    pub(crate) states: Vec<String>,
    /// A whole observation instead: tensors images.CAMERA u8 [n_obs_steps, H, W, 3] and state f32 [n_obs_steps, state_dim]
    #[arg(long, value_name = "FILE.safetensors", conflicts_with_all = ["images", "states"])]
    pub(crate) observation: Option<PathBuf>,
    /// The instruction
    #[arg(long, value_name = "TEXT")]
    pub(crate) task: String,
    /// Noise to start from instead of drawn noise: tensor noise f32 [1, horizon, action_dim], and for ddpm step_noise f32 [steps - 1, 1, horizon, action_dim]
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) initial_noise: Option<PathBuf>,
    /// Chunks to sample; the first is the answer, the others show the spread in the plot
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) samples: u16,
    /// Write the answer here as JSON [default: print it]
    #[arg(long, value_name = "FILE.json")]
    pub(crate) out: Option<PathBuf>,
    /// Write a plot of the chunk here [default: beside --out]
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) sampling: SamplerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct EvalArguments {
    /// Checkpoint: a pretrained_model folder, or a training output
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoint: PathBuf,
    /// The dataset's folder [default: the one the checkpoint was trained on]
    #[arg(long, value_name = "DIR")]
    pub(crate) dataset: Option<PathBuf>,
    /// Episodes to measure on, comma-separated [default: those the training held out, else all]
    #[arg(long, value_delimiter = ',', value_name = "N,N,..")]
    pub(crate) episodes: Option<Vec<usize>>,
    /// Moments to predict at, spread evenly over the episodes
    #[arg(long, default_value_t = 128, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) windows: u32,
    /// Chunks per moment; their spread is the policy's own diversity
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) samples: u16,
    /// Moments per forward pass
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) batch_size: u16,
    /// Folder for report.html and eval.json
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) sampling: SamplerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RolloutArguments {
    /// Checkpoint: a pretrained_model folder, or a training output
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Who steers
    #[arg(long, value_enum, default_value_t)]
    pub(crate) policy: Steering,
    /// The world
    #[arg(long, value_enum, default_value_t)]
    pub(crate) world: WorldName,
    /// Episodes for each family of tasks
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) episodes: u32,
    /// Families of tasks, comma-separated: reach, lift, push, place, gather, separate, press, around [default: all]
    #[arg(long, value_delimiter = ',', value_name = "NAME,..")]
    pub(crate) tasks: Vec<Family>,
    /// Steps of a chunk that are executed before the next is sampled [default: the checkpoint's, 8 for nearest]
    #[arg(long = "n_action_steps", alias = "n-action-steps", value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) n_action_steps: Option<u16>,
    /// Chunks that are sampled at once, at most
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) batch: u16,
    /// Word every instruction as no data words it
    #[arg(long = "held_out_phrasings", alias = "held-out-phrasings")]
    pub(crate) held_out_phrasings: bool,
    /// Ask for another task than the one that the scene was laid for
    #[arg(long)]
    pub(crate) swap: bool,
    /// A dataset of the tabletop, for --policy mean and nearest
    #[arg(long, value_name = "DIR")]
    pub(crate) dataset: Option<PathBuf>,
    /// Episodes to show as videos: the first failure of every family, then the first success
    #[arg(long, default_value_t = 8, value_name = "N")]
    pub(crate) videos: u16,
    /// Note the result in the checkpoint's mtdit.json
    #[arg(long, requires = "checkpoint")]
    pub(crate) record: bool,
    /// Folder for index.html, rollout.json and the videos
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) sampling: SamplerArguments,
}

/// A simulated world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum WorldName {
    /// A gripper over a table with pucks, zones, buttons and a wall.
    #[default]
    Tabletop,
}

/// Who steers in a rollout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Steering {
    /// The policy of --checkpoint.
    #[default]
    Checkpoint,
    /// The expert that datasets are recorded from.
    Expert,
    /// Nobody: always the mean action of --dataset.
    Mean,
    /// What was done in the most similar moment of --dataset.
    Nearest,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// Checkpoint: a pretrained_model folder, or a training output [default: an architecture with random weights]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["architecture", "cameras"])]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Architecture to measure with random weights
    #[arg(long, value_enum, default_value_t)]
    pub(crate) architecture: Architecture,
    /// Cameras of an architecture, comma-separated: each number is measured
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "2",
        value_name = "N,..",
        value_parser = clap::value_parser!(u8).range(1..=3)
    )]
    pub(crate) cameras: Vec<u8>,
    /// Observations at once, comma-separated: each number is measured
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1",
        value_name = "N,..",
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub(crate) batch: Vec<u16>,
    /// Samplers with their steps, comma-separated [default: of ddpm-100, ddim-10, dpm++-10, euler-10 and euler-100 those that fit]
    #[arg(long, value_delimiter = ',', value_name = "NAME-STEPS,..", value_parser = crate::bench::sampler)]
    pub(crate) samplers: Vec<SamplerSettings>,
    /// Runs that count
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) runs: u16,
    /// Runs before them that do not
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub(crate) warmup: u16,
    /// Measure a training step too: forward, backward and optimizer on random samples
    #[arg(long)]
    pub(crate) training: bool,
    /// Samples of a training step, or with --dataset of a batch
    #[arg(
        long = "training_batch",
        alias = "training-batch",
        default_value_t = 32,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub(crate) training_batch: u16,
    /// Measure instead how fast samples of this dataset are made ready for training; without a checkpoint, for an architecture with the dataset's cameras
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = ["cameras", "batch", "samplers", "training", "compile", "load_only"]
    )]
    pub(crate) dataset: Option<PathBuf>,
    /// Threads that make samples; LeRobot gets as many processes
    #[arg(
        long = "num_workers",
        alias = "num-workers",
        default_value_t = 1,
        value_name = "N",
        requires = "dataset",
        value_parser = clap::value_parser!(u16).range(..=256)
    )]
    pub(crate) num_workers: u16,
    /// Write every number here as JSON: a file, or a folder for bench.json
    #[arg(long, value_name = "DIR|FILE.json")]
    pub(crate) out: Option<PathBuf>,
    /// Measure another program with the same weights
    #[arg(long, value_enum)]
    pub(crate) compare: Option<Competitor>,
    /// The Python that has LeRobot
    #[arg(long, value_name = "PATH", default_value = "python3", requires = "compare")]
    pub(crate) python: PathBuf,
    /// What it runs [default: tests/lerobot/bench.py of the repository that this is called in]
    #[arg(long, value_name = "FILE.py", requires = "compare")]
    pub(crate) script: Option<PathBuf>,
    /// Measure LeRobot with torch.compile too, which takes minutes
    #[arg(long, requires = "compare")]
    pub(crate) compile: bool,
    /// Load the checkpoint once, answer how long it took, and end: what this command starts to measure loading
    #[arg(long = "load_only", hide = true, requires = "checkpoint")]
    pub(crate) load_only: bool,
    /// Decode the dataset into this folder, make every sample once, answer how long it took, and end: what this command starts itself
    #[arg(long = "decode_into", hide = true, requires = "dataset")]
    pub(crate) decode_into: Option<PathBuf>,
}

/// An architecture to measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Architecture {
    /// LeRobot's defaults: CLIP ViT-B/16, frames of 480 x 640.
    #[default]
    Default,
    /// models/presets/small, frames of 128 x 128.
    Small,
    /// models/presets/tabletop, frames of 64 x 64.
    Tabletop,
}

/// A program to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Competitor {
    /// LeRobot on PyTorch.
    Lerobot,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// A checkpoint, a training output, or a dataset
    #[arg(value_name = "DIR")]
    pub(crate) path: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct PublishArguments {
    /// Checkpoints: pretrained_model folders, or training outputs
    #[arg(value_name = "CHECKPOINT", required_unless_present = "serve")]
    pub(crate) checkpoints: Vec<PathBuf>,
    /// The site's folder: new, empty, or published before, then checkpoints of the same name are replaced and others kept
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The page as Trunk built it [default: the one in this program]
    #[arg(long, value_name = "DIR")]
    pub(crate) page: Option<PathBuf>,
    /// Weights as they are, or those of single precision halved
    #[arg(long, value_enum, default_value_t)]
    pub(crate) dtype: WeightDtype,
    /// Cut weights into pieces of at most this size, such as 24MiB, for hosts that limit the size of a file
    #[arg(long, value_name = "SIZE", value_parser = crate::publish::piece_size)]
    pub(crate) max_piece: Option<u64>,
    /// A checkpoint's name for people, from which its folder gets its own; again for each [default: after the folder]
    #[arg(long = "name", value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Dataset for the sample observation; again for each checkpoint [default: the one it was trained on, else its sample/]
    #[arg(long = "dataset", value_name = "DIR")]
    pub(crate) datasets: Vec<PathBuf>,
    /// Instruction of the sample observation; again for each checkpoint [default: the recorded one]
    #[arg(long = "task", value_name = "TEXT")]
    pub(crate) tasks: Vec<String>,
    /// Serve the folder afterwards, to look at it; without checkpoints, only serve it
    #[arg(
        long,
        value_name = "ADDRESS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "127.0.0.1:8000"
    )]
    pub(crate) serve: Option<SocketAddr>,
}

/// Number format of published weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum WeightDtype {
    /// As they are.
    #[default]
    F32,
    /// Single precision becomes half precision.
    F16,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DatasetCommand {
    /// Show episodes, tasks, cameras and ranges
    Info {
        /// The dataset's folder
        #[arg(value_name = "DIR")]
        path: PathBuf,
    },
    /// Read every file and report what is wrong with it
    Check {
        /// The dataset's folder
        #[arg(value_name = "DIR")]
        path: PathBuf,
    },
    /// Rewrite a dataset, or some of its episodes, with its frames as PNG in parquet
    Export {
        /// The dataset's folder
        #[arg(value_name = "DIR")]
        path: PathBuf,
        /// The new folder
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Episodes to take, comma-separated [default: all]
        #[arg(long, value_delimiter = ',', value_name = "N,N,..")]
        episodes: Option<Vec<usize>>,
    },
    /// Record a simulated expert: the same dataset for the same seed
    #[command(after_help = GENERATE_EXAMPLES)]
    Generate(GenerateArguments),
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArguments {
    /// The world
    #[arg(value_enum, value_name = "WORLD")]
    pub(crate) world: WorldName,
    /// Episodes to record; the families of tasks take turns
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) episodes: u32,
    /// The new folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Seed of everything that is drawn
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,
    /// Families of tasks, comma-separated: reach, lift, push, place, gather, separate, press, around [default: all]
    #[arg(long, value_delimiter = ',', value_name = "NAME,..")]
    pub(crate) tasks: Vec<Family>,
    /// Strength of what pushes the expert off its way, so that the data shows how to come back; 0: nothing does
    #[arg(long, default_value_t = 1.0, value_name = "SCALE")]
    pub(crate) noise: f32,
}
