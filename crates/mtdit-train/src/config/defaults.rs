//! The one table of settings: every flag of `mtdit train` with its type, its default and its meaning.
//!
//! The default configuration, the parser and the help text all read it. Within one tree the rows stand in the order of
//! the keys of `train_config.json` (`LeRobot` 0.6.1), because the file is written in that order.

use serde_json::{Number as JsonNumber, Value};

use self::Kind::{
    Anything, Count, Counts, Integer, Nullable, Number, Numbers, Object, OneOf, Pair, Switch, Text, Texts,
};
use super::flags::literal;

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// True or false.
    Switch,
    /// A whole number that is not negative.
    Count,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Text, taken as it stands.
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of counts.
    Counts,
    /// Two counts: height and width.
    Pair,
    /// Two numbers.
    Numbers,
    /// A list of texts.
    Texts,
    /// A map.
    Object,
    /// A whole subtree that has no rows of its own.
    Anything,
    /// Null, or what the field says.
    Nullable(&'static Self),
}

/// Where a setting is kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum Home {
    /// In `train_config.json`, under the flag's own name.
    LeRobot,
    /// In `mtdit.json`, under this name.
    Ours(&'static str),
    /// Nowhere: it says which files to read.
    Command,
}

/// What happens with a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// It does what its meaning says.
    Used,
    /// It is kept for `LeRobot` and does nothing here; its meaning is the reason.
    Ignored,
    /// It may only keep its default; its meaning is the reason.
    Refused,
}

/// One setting.
#[derive(Debug)]
pub(super) struct Flag {
    /// The dotted name without the leading dashes.
    pub(super) name: &'static str,
    /// What its value may be.
    pub(super) kind: Kind,
    /// Its default, as JSON.
    pub(super) default: &'static str,
    /// Where it is kept.
    pub(super) home: Home,
    /// What happens with it.
    pub(super) treatment: Treatment,
    /// One line for the help text.
    pub(super) meaning: &'static str,
}

const fn used(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Flag {
    Flag { name, kind, default, home: Home::LeRobot, treatment: Treatment::Used, meaning }
}

const fn ignored(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Flag {
    let mut flag = used(name, kind, default, meaning);
    flag.treatment = Treatment::Ignored;
    flag
}

const fn refused(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Flag {
    let mut flag = used(name, kind, default, meaning);
    flag.treatment = Treatment::Refused;
    flag
}

/// A setting of ours. The place it is kept under differs from its name for `policy.*` flags and for second names.
const fn ours(
    name: &'static str,
    path: &'static str,
    kind: Kind,
    default: &'static str,
    meaning: &'static str,
) -> Flag {
    let mut flag = used(name, kind, default, meaning);
    flag.home = Home::Ours(path);
    flag
}

const fn command(name: &'static str, meaning: &'static str) -> Flag {
    let mut flag = used(name, Nullable(&Text), "null", meaning);
    flag.home = Home::Command;
    flag
}

/// The table, in sections for the help text.
static SECTIONS: [(&str, &[Flag]); 8] = [
    ("The dataset", DATASET),
    ("The policy", POLICY),
    ("What the network learns", OBJECTIVE),
    ("The network", NETWORK),
    ("The run", RUN),
    ("The optimizer, when --use_policy_training_preset=false", OPTIMIZER),
    ("Other names", OTHERS),
    ("Beyond LeRobot", OURS),
];

const NO_SIMULATOR: &str = "mtdit has no simulator; it measures held-out episodes (--dataset.eval_split, --eval_steps)";
const NO_UPLOAD: &str = "mtdit does not upload; push a finished checkpoint folder with `hf upload`";
const NO_TRANSFORMS: &str = "random colour and geometry transforms are not part of mtdit; its augmentation is the random crop (--policy.image_crop_is_random)";
const LOADER: &str = "batches are prepared by threads, ahead of the training step";
const LOCAL: &str = "metrics stay on this machine, in metrics.jsonl and a picture beside the checkpoints";
const HERE: &str = "mtdit trains on the machine it is started on";

const TRANSFORMS: &str = r#"{
    "brightness": {"weight": 1.0, "type": "ColorJitter", "kwargs": {"brightness": [0.8, 1.2]}},
    "contrast": {"weight": 1.0, "type": "ColorJitter", "kwargs": {"contrast": [0.8, 1.2]}},
    "saturation": {"weight": 1.0, "type": "ColorJitter", "kwargs": {"saturation": [0.5, 1.5]}},
    "hue": {"weight": 1.0, "type": "ColorJitter", "kwargs": {"hue": [-0.05, 0.05]}},
    "sharpness": {"weight": 1.0, "type": "SharpnessJitter", "kwargs": {"sharpness": [0.5, 1.5]}},
    "affine": {"weight": 1.0, "type": "RandomAffine", "kwargs": {"degrees": [-5.0, 5.0], "translate": [0.05, 0.05]}}
}"#;

#[rustfmt::skip]
const DATASET: &[Flag] = &[
    used("dataset.repo_id", Nullable(&Text), "null", "the dataset's name on the Hub; with --dataset.root only a name"),
    refused("dataset.repo_type", Text, r#""dataset""#, "storage buckets need streaming; download the dataset first"),
    used("dataset.root", Nullable(&Text), "null", "folder of a LeRobotDataset v3.0"),
    used("dataset.episodes", Nullable(&Counts), "null", "use these episodes only, such as [0,1,2]"),
    refused("dataset.image_transforms.enable", Switch, "false", NO_TRANSFORMS),
    ignored("dataset.image_transforms.max_num_transforms", Count, "3", NO_TRANSFORMS),
    ignored("dataset.image_transforms.random_order", Switch, "false", NO_TRANSFORMS),
    ignored("dataset.image_transforms.tfs", Object, TRANSFORMS, NO_TRANSFORMS),
    used("dataset.revision", Nullable(&Text), "null", "branch, tag or commit of the dataset on the Hub"),
    used("dataset.use_imagenet_stats", Switch, "true", "normalise images with ImageNet's statistics, not the dataset's"),
    ignored("dataset.video_backend", Text, r#""pyav""#, "mtdit decodes videos itself"),
    ignored("dataset.return_uint8", Switch, "false", "frames always travel as bytes"),
    ignored("dataset.depth_output_unit", Text, r#""mm""#, "this policy sees no depth images"),
    refused("dataset.streaming", Switch, "false", "training reads a dataset folder; download the dataset first"),
    used("dataset.eval_split", Number, "0.0", "share of each task's episodes that is held out (its last ones)"),
    refused("env", Anything, "null", NO_SIMULATOR),
];

#[rustfmt::skip]
const POLICY: &[Flag] = &[
    used("policy.type", Text, r#""multi_task_dit""#, "train a new policy; the only type there is"),
    command("policy.path", "start from this checkpoint folder instead; --policy.* still override it"),
    used("policy.n_obs_steps", Count, "2", "observations the policy sees: the current one and those before it"),
    used("policy.input_features", Nullable(&Object), "{}", "filled from the dataset; the order of the cameras is the order here"),
    used("policy.output_features", Nullable(&Object), "{}", "filled from the dataset"),
    used("policy.device", Nullable(&Text), "null", "where to train, such as cpu or cuda; null: the best of this build"),
    used("policy.use_amp", Switch, "false", "mixed precision: the same as --precision=bf16"),
    refused("policy.use_peft", Switch, "false", "mtdit trains whole policies, without adapters"),
    ignored("policy.push_to_hub", Switch, "false", NO_UPLOAD),
    ignored("policy.repo_id", Nullable(&Text), "null", NO_UPLOAD),
    ignored("policy.private", Nullable(&Switch), "null", NO_UPLOAD),
    ignored("policy.tags", Nullable(&Texts), "null", NO_UPLOAD),
    ignored("policy.license", Nullable(&Text), "null", NO_UPLOAD),
    used("policy.pretrained_path", Nullable(&Text), "null", "take the weights from this folder, but not its configuration"),
    ignored("policy.pretrained_revision", Nullable(&Text), "null", "weights are read from a folder, which has one revision"),
    used("policy.horizon", Count, "32", "actions predicted at once"),
    used("policy.n_action_steps", Count, "24", "actions executed of each prediction"),
];

#[rustfmt::skip]
const OBJECTIVE: &[Flag] = &[
    used("policy.objective", OneOf(&["diffusion", "flow_matching"]), r#""diffusion""#, "diffusion or flow_matching"),
    used("policy.noise_scheduler_type", OneOf(&["DDPM", "DDIM"]), r#""DDPM""#, "diffusion: the sampler, DDPM or DDIM"),
    used("policy.num_train_timesteps", Count, "100", "diffusion: noise levels"),
    used("policy.beta_schedule", Text, r#""squaredcos_cap_v2""#, "diffusion: how noise grows over the levels"),
    used("policy.beta_start", Number, "0.0001", "diffusion: first noise level of the linear schedules"),
    used("policy.beta_end", Number, "0.02", "diffusion: last noise level of the linear schedules"),
    used("policy.prediction_type", OneOf(&["epsilon", "sample"]), r#""epsilon""#, "diffusion: predict the noise (epsilon) or the actions (sample)"),
    used("policy.clip_sample", Switch, "true", "diffusion: keep predicted actions within the range below"),
    used("policy.clip_sample_range", Number, "1.0", "diffusion: that range, in normalised actions"),
    used("policy.num_inference_steps", Nullable(&Count), "null", "diffusion: denoising steps when predicting; null: all levels"),
    used("policy.sigma_min", Number, "0.0", "flow matching: noise left at the end of the path"),
    used("policy.num_integration_steps", Count, "100", "flow matching: integration steps when predicting"),
    used("policy.integration_method", OneOf(&["euler", "rk4"]), r#""euler""#, "flow matching: euler or rk4"),
    used("policy.timestep_sampling_strategy", OneOf(&["uniform", "beta"]), r#""beta""#, "flow matching: how training times are drawn, uniform or beta"),
    used("policy.timestep_sampling_s", Number, "0.999", "flow matching: largest time of the beta strategy"),
    used("policy.timestep_sampling_alpha", Number, "1.5", "flow matching: alpha of the beta strategy"),
    used("policy.timestep_sampling_beta", Number, "1.0", "flow matching: beta of the beta strategy"),
];

#[rustfmt::skip]
const NETWORK: &[Flag] = &[
    used("policy.hidden_dim", Count, "512", "width of the transformer"),
    used("policy.num_layers", Count, "6", "blocks of the transformer"),
    used("policy.num_heads", Count, "8", "attention heads per block"),
    used("policy.dropout", Number, "0.1", "dropout within the blocks"),
    used("policy.use_positional_encoding", Switch, "false", "add a learned position to every action token"),
    used("policy.timestep_embed_dim", Count, "256", "width of the time embedding"),
    used("policy.use_rope", Switch, "true", "rotary positions in the attention"),
    used("policy.rope_base", Number, "10000.0", "base of the rotary frequencies"),
    used("policy.vision_encoder_name", Text, r#""openai/clip-vit-base-patch16""#, "CLIP model whose image tower sees the cameras"),
    used("policy.use_separate_rgb_encoder_per_camera", Switch, "false", "one image tower per camera instead of a shared one"),
    used("policy.vision_encoder_lr_multiplier", Number, "0.1", "learning rate of the image tower, relative to the rest"),
    used("policy.image_resize_shape", Nullable(&Pair), "null", "resize frames to (height,width) before the crop"),
    used("policy.image_crop_shape", Nullable(&Pair), "[224, 224]", "crop frames to (height,width)"),
    used("policy.image_crop_is_random", Switch, "true", "crop at a random place while training, in the centre otherwise"),
    used("policy.text_encoder_name", Text, r#""openai/clip-vit-base-patch16""#, "CLIP model whose text tower reads the task"),
    used("policy.tokenizer_max_length", Count, "77", "tokens of a task, with start and end"),
    used("policy.tokenizer_padding", Text, r#""max_length""#, "max_length or longest"),
    used("policy.tokenizer_padding_side", Text, r#""right""#, "right; left would hide the words from the text tower"),
    used("policy.tokenizer_truncation", Switch, "true", "cut longer tasks"),
    used("policy.normalization_mapping", Object, r#"{"VISUAL": "MEAN_STD", "STATE": "MIN_MAX", "ACTION": "MIN_MAX"}"#, "how each kind of feature is normalised"),
    used("policy.optimizer_lr", Number, "2e-5", "learning rate"),
    used("policy.optimizer_betas", Numbers, "[0.95, 0.999]", "Adam's decay of the two moments"),
    used("policy.optimizer_eps", Number, "1e-8", "Adam's epsilon"),
    used("policy.optimizer_weight_decay", Number, "0.0", "weight decay, added to the gradient as Adam does"),
    used("policy.scheduler_name", Text, r#""cosine""#, "learning-rate schedule, by its name in diffusers"),
    used("policy.scheduler_warmup_steps", Count, "0", "updates in which the learning rate climbs from zero"),
    used("policy.do_mask_loss_for_padding", Switch, "false", "leave actions past the end of an episode out of the loss"),
    used("policy.drop_n_last_frames", Nullable(&Count), "null", "frames at the end of an episode that start no sample; null: computed"),
    refused("reward_model", Anything, "null", "mtdit trains policies, not reward models"),
];

#[rustfmt::skip]
const RUN: &[Flag] = &[
    used("output_dir", Nullable(&Text), "null", "folder of the run, which must not exist; null: outputs/train/DATE/TIME_job"),
    used("job_name", Nullable(&Text), "null", "name of the run; null: the policy's type"),
    used("resume", Switch, "false", "continue the run that --config_path points at"),
    command("config_path", "a train_config.json, its folder, a checkpoint or a run; other flags override it"),
    used("seed", Nullable(&Count), "1000", "decides the order of the data, the noise and new weights"),
    ignored("cudnn_deterministic", Switch, "false", "cuDNN is not used"),
    used("num_workers", Count, "4", "threads that read, decode and crop"),
    used("batch_size", Count, "8", "samples per batch; LeRobot's documentation recommends 192 to 320"),
    ignored("prefetch_factor", Count, "4", LOADER),
    ignored("persistent_workers", Switch, "true", LOADER),
    ignored("dataloader_multiprocessing_context", Nullable(&Text), r#""spawn""#, LOADER),
    used("steps", Count, "100000", "updates of the weights"),
    ignored("env_eval_freq", Integer, "20000", NO_SIMULATOR),
    used("log_freq", Count, "200", "steps between log lines; 0: none"),
    used("eval_steps", Count, "0", "steps between measurements on held-out episodes; 0: none"),
    used("max_eval_samples", Count, "0", "held-out samples to measure, spread over the tasks; 0: all"),
    used("tolerance_s", Number, "0.0001", "how far a video frame's time may lie from the one asked for, in seconds"),
    used("save_checkpoint", Switch, "true", "save checkpoints"),
    used("save_freq", Integer, "20000", "steps between checkpoints; 0: only the last"),
    used("use_policy_training_preset", Switch, "true", "take optimizer and schedule from --policy.optimizer_* and --policy.scheduler_*"),
];

#[rustfmt::skip]
const OPTIMIZER: &[Flag] = &[
    used("optimizer.type", Text, r#""adam""#, "the only optimizer there is"),
    used("optimizer.lr", Number, "0.001", "learning rate"),
    used("optimizer.weight_decay", Number, "0.0", "weight decay, added to the gradient"),
    used("optimizer.grad_clip_norm", Number, "10.0", "largest norm of the whole gradient; 0: no clipping"),
    used("optimizer.betas", Numbers, "[0.9, 0.999]", "Adam's decay of the two moments"),
    used("optimizer.eps", Number, "1e-8", "Adam's epsilon"),
    used("scheduler.type", Text, r#""diffuser""#, "the only family of schedules there is"),
    used("scheduler.num_warmup_steps", Nullable(&Count), "null", "updates in which the learning rate climbs from zero"),
    used("scheduler.name", Text, r#""cosine""#, "the schedule's name in diffusers"),
];

#[rustfmt::skip]
const OTHERS: &[Flag] = &[
    ignored("eval.n_episodes", Count, "50", NO_SIMULATOR),
    ignored("eval.batch_size", Count, "0", NO_SIMULATOR),
    ignored("eval.use_async_envs", Switch, "true", NO_SIMULATOR),
    ignored("eval.recording", Switch, "false", NO_SIMULATOR),
    ignored("eval.recording_repo_id", Nullable(&Text), "null", NO_SIMULATOR),
    ignored("eval.recording_private", Switch, "false", NO_SIMULATOR),
    ignored("wandb.enable", Switch, "false", LOCAL),
    ignored("wandb.disable_artifact", Switch, "false", LOCAL),
    ignored("wandb.project", Text, r#""lerobot""#, LOCAL),
    ignored("wandb.entity", Nullable(&Text), "null", LOCAL),
    ignored("wandb.notes", Nullable(&Text), "null", LOCAL),
    ignored("wandb.run_id", Nullable(&Text), "null", LOCAL),
    ignored("wandb.mode", Nullable(&Text), "null", LOCAL),
    ignored("wandb.add_tags", Switch, "true", LOCAL),
    refused("peft", Anything, "null", "mtdit trains whole policies, without adapters"),
    refused("job.target", Nullable(&Text), "null", HERE),
    ignored("job.image", Text, r#""huggingface/lerobot-gpu:latest""#, HERE),
    ignored("job.timeout", Nullable(&Text), r#""2d""#, HERE),
    ignored("job.detach", Switch, "false", HERE),
    ignored("job.tags", Texts, "[]", HERE),
    refused("save_checkpoint_to_hub", Switch, "false", NO_UPLOAD),
    refused("sample_weighting", Anything, "null", "every sample has the same weight; select data with --dataset.episodes"),
    used("rename_map", Object, "{}", "with --policy.path: names of the dataset to names of the policy"),
    ignored("checkpoint_path", Nullable(&Text), "null", "it is set when a run is resumed"),
];

#[rustfmt::skip]
const OURS: &[Flag] = &[
    ours("policy.vision_encoder_init", "vision_encoder_init", OneOf(&["pretrained", "random"]), r#""pretrained""#, "start a new policy's image tower from CLIP's weights or from chance"),
    ours("policy.clip_path", "clip_path", Nullable(&Text), "null", "folder of a CLIP model (model.safetensors, config.json); null: the Hub or its cache"),
    ours("precision", "precision", OneOf(&["f32", "bf16"]), r#""f32""#, "f32, or bf16 around the matrix products with weights kept in f32"),
    ours("crop", "crop", OneOf(&["per_sample", "shared"]), r#""per_sample""#, "random crop: its own place for every sample, or one per batch as in LeRobot"),
    ours("accumulate", "accumulate", Count, "1", "batches whose gradients are averaged into one update"),
    ours("accelerator.gradient_accumulation.steps", "accumulate", Count, "1", "another name for --accumulate, from newer LeRobot"),
    ours("ema.enable", "ema.enable", Switch, "false", "keep a moving average of the weights and save it beside them"),
    ours("ema.decay", "ema.decay", Nullable(&Number), "null", "constant decay, such as 0.99; null: the warm-up schedule below"),
    ours("ema.update_after_step", "ema.update_after_step", Count, "0", "updates during which the average copies the weights"),
    ours("ema.inv_gamma", "ema.inv_gamma", Number, "1.0", "decay = 1 - (1 + updates/inv_gamma)^-power"),
    ours("ema.power", "ema.power", Number, "0.75", "the power in it"),
    ours("ema.min_decay", "ema.min_decay", Number, "0.0", "its lower limit"),
    ours("ema.max_decay", "ema.max_decay", Number, "0.9999", "its upper limit"),
    ours("keep_last", "keep_last", Count, "0", "checkpoints to keep, the oldest go first; 0: all"),
    ours("frame_cache", "frame_cache", Switch, "true", "decode every video frame once and keep the pixels on disk"),
    ours("frame_cache_dir", "frame_cache_dir", Nullable(&Text), "null", "where; null: the user's cache folder"),
    ours("frame_cache_gb", "frame_cache_gb", Number, "20.0", "largest size of that cache in gigabytes"),
    ours("noise_file", "noise_file", Nullable(&Text), "null", "safetensors with the noise, times and crops to use, to repeat another program's run"),
    ours("dry_run", "dry_run", Switch, "false", "prepare one batch, show what the policy would see, and stop"),
    ours("hf_endpoint", "hf_endpoint", Nullable(&Text), "null", "address of the Hub to download from; null: huggingface.co or $HF_ENDPOINT"),
];

const INTRODUCTION: &str = "\
Train a Multi-Task Diffusion Transformer policy on a LeRobotDataset v3.0.

Usage: mtdit train --dataset.root=FOLDER [--name=value ...]

Examples
  # Train on a dataset folder; checkpoints and metrics go to outputs/kitchen.
  mtdit train --dataset.root=data/kitchen --output_dir=outputs/kitchen --batch_size=64 --steps=30000

  # Continue a run that stopped, or make a finished one longer.
  mtdit train --resume=true --config_path=outputs/kitchen --steps=60000

  # Start from a checkpoint, on other data.
  mtdit train --policy.path=outputs/kitchen/checkpoints/last --dataset.root=data/drawer

Names and meanings are those of lerobot-train 0.6.1. A value follows as --name=value or --name value; a switch alone is
true. Lists are written [0,1,2], pairs (224,224), maps {\"STATE\": \"MIN_MAX\"}, nothing null. Every flag is shown with its
default.
";

/// Every setting.
pub(super) fn flags() -> impl Iterator<Item = &'static Flag> {
    SECTIONS.iter().flat_map(|(_, flags)| flags.iter())
}

/// The help text of `mtdit train`, made from the table that the parser uses.
pub fn help() -> String {
    let mut text = INTRODUCTION.to_owned();
    for (title, flags) in &SECTIONS {
        text.push_str(&format!("\n{title}\n"));
        for flag in *flags {
            if flag.treatment == Treatment::Used {
                text.push_str(&flag.row());
            }
        }
    }
    text.push_str("\nAccepted for the sake of LeRobot's command lines, and ignored\n");
    text.push_str(&reasons(Treatment::Ignored));
    text.push_str("\nNot possible\n");
    text.push_str(&reasons(Treatment::Refused));
    text
}

/// Names that share a reason, and the reason below them.
fn reasons(treatment: Treatment) -> String {
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for flag in flags().filter(|flag| flag.treatment == treatment) {
        let name = format!("--{}", flag.name);
        match groups.iter_mut().find(|(reason, _)| *reason == flag.meaning) {
            Some((_, names)) => names.push(name),
            None => groups.push((flag.meaning, vec![name])),
        }
    }
    let lines = groups.iter().map(|(reason, names)| {
        let names: Vec<_> = names.chunks(4).map(|names| names.join(" ")).collect();
        format!("  {}\n      {reason}\n", names.join("\n  "))
    });
    lines.collect()
}

impl Flag {
    /// The default as a value.
    pub(super) fn default_value(&self) -> Value {
        serde_json::from_str(self.default).expect("every default in the table is JSON")
    }

    /// The flag's line, or two, in the help text.
    fn row(&self) -> String {
        let left = match self.home {
            Home::Command => format!("--{}", self.name),
            Home::LeRobot | Home::Ours(_) => {
                format!("--{}={}", self.name, self.default.trim_matches('"'))
            }
        };
        let gap = if left.len() > 42 { format!("\n{:<46}", "") } else { " ".repeat(44 - left.len()) };
        format!("  {left}{gap}{}\n", self.meaning)
    }
}

impl Kind {
    /// The value that a text on the command line stands for, or nothing if it is of another kind.
    pub(super) fn read(self, text: &str) -> Option<Value> {
        match self {
            Nullable(_) if matches!(text, "null" | "None" | "~") => Some(Value::Null),
            Nullable(kind) => kind.read(text),
            Switch => match text.to_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Some(Value::Bool(true)),
                "false" | "no" | "off" | "0" => Some(Value::Bool(false)),
                _ => None,
            },
            Text | OneOf(_) => self.accept(Value::from(unquoted(text))),
            Anything => Some(literal(text).unwrap_or_else(|| Value::from(text))),
            _ => self.accept(literal(text)?),
        }
    }

    /// The value as this kind holds it, or nothing if it is of another kind.
    pub(super) fn accept(self, value: Value) -> Option<Value> {
        match (self, value) {
            (Anything, value) => Some(value),
            (Nullable(_), Value::Null) => Some(Value::Null),
            (Nullable(kind), value) => kind.accept(value),
            (Switch, value @ Value::Bool(_)) => Some(value),
            (Count, Value::Number(number)) => whole(&number).filter(|number| *number >= 0).map(Value::from),
            (Integer, Value::Number(number)) => whole(&number).map(Value::from),
            (Number, Value::Number(number)) => number.as_f64().map(Value::from),
            (Text, value @ Value::String(_)) => Some(value),
            (OneOf(words), Value::String(word)) => words.contains(&word.as_str()).then_some(Value::String(word)),
            (Counts, Value::Array(items)) => each(Count, items),
            (Pair, Value::Array(items)) if items.len() == 2 => each(Count, items),
            (Numbers, Value::Array(items)) if items.len() == 2 => each(Number, items),
            (Texts, Value::Array(items)) => each(Text, items),
            (Object, value @ Value::Object(_)) => Some(value),
            _ => None,
        }
    }

    /// What to write, for an error message.
    pub(super) fn expected(self) -> String {
        match self {
            Switch => "true or false".to_owned(),
            Count => "a whole number from 0 up".to_owned(),
            Integer => "a whole number".to_owned(),
            Number => "a number".to_owned(),
            Text => "text".to_owned(),
            OneOf(words) => format!("one of {}", words.join(", ")),
            Counts => "a list of whole numbers such as [0,1,2]".to_owned(),
            Pair => "two whole numbers such as (224,224)".to_owned(),
            Numbers => "two numbers such as (0.95,0.999)".to_owned(),
            Texts => "a list such as [one,two]".to_owned(),
            Object => "a map such as {\"one\": \"two\"}".to_owned(),
            Anything => "any value".to_owned(),
            Nullable(kind) => format!("{}, or null", kind.expected()),
        }
    }
}

fn each(kind: Kind, items: Vec<Value>) -> Option<Value> {
    let items: Option<Vec<Value>> = items.into_iter().map(|item| kind.accept(item)).collect();
    items.map(Value::Array)
}

/// A number without a fraction; `1e5` counts.
fn whole(number: &JsonNumber) -> Option<i64> {
    number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        let exact = float.abs() < 9e15 && float.fract().abs() <= 0.0;
        exact.then(|| format!("{float:.0}").parse().ok()).flatten()
    })
}

/// A text without the quotes that a shell may have left around it.
fn unquoted(text: &str) -> &str {
    let inner = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn every_default_is_of_its_kind() {
        for flag in flags() {
            let default = flag.default_value();
            assert_eq!(flag.kind.accept(default.clone()), Some(default), "{}", flag.name);
        }
    }

    #[test]
    fn every_name_stands_once() {
        let names: Vec<_> = flags().map(|flag| flag.name).collect();
        let distinct: BTreeSet<_> = names.iter().collect();
        assert_eq!(names.len(), distinct.len());
    }

    #[test]
    fn the_help_text_has_every_flag() {
        let help = help();
        for flag in flags() {
            assert!(help.contains(&format!("--{}", flag.name)), "{}", flag.name);
        }
        assert!(help.contains("--steps=100000"));
    }

    #[test]
    fn values_are_read_by_kind() {
        assert_eq!(Count.read("1e5"), Some(json!(100_000)));
        assert_eq!(Count.read("100_000"), Some(json!(100_000)));
        assert_eq!(Count.read("-1"), None);
        assert_eq!(Count.read("2.5"), None);
        assert_eq!(Integer.read("-1"), Some(json!(-1)));
        assert_eq!(Number.read("3"), Some(json!(3.0)));
        assert_eq!(Number.read("nan"), None);
        assert_eq!(Text.read("1e5"), Some(json!("1e5")));
        assert_eq!(Text.read("'null'"), Some(json!("null")));
        assert_eq!(Nullable(&Text).read("null"), Some(json!(null)));
        assert_eq!(Switch.read("True"), Some(json!(true)));
        assert_eq!(Pair.read("(224, 224)"), Some(json!([224, 224])));
        assert_eq!(Pair.read("[224]"), None);
        assert_eq!(Numbers.read("[0.9, 1]"), Some(json!([0.9, 1.0])));
        assert_eq!(Texts.read("[a, b]"), Some(json!(["a", "b"])));
        assert_eq!(OneOf(&["f32"]).read("f16"), None);
        assert_eq!(Object.read("{STATE: MIN_MAX}"), Some(json!({"STATE": "MIN_MAX"})));
    }
}
