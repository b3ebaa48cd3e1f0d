//! The one table of settings: every flag of `mtdit train` with its type, its default and its meaning.
//!
//! The default configuration, the parser and the help text all read it. Within one tree the rows stand in the order of
//! the keys of `train_config.json` (`LeRobot` 0.6.1), because the file is written in that order.

mod kind;
mod flag;
mod help;

pub(super) use self::flag::{Flag, Home, Treatment};
use self::flag::{command, ignored, ours, refused, used};
pub use self::help::help;
pub(super) use self::kind::Kind;
use self::kind::Kind::{
    Anything, Count, Counts, Integer, Nullable, Number, Numbers, Object, OneOf, Pair, Switch, Text, Texts,
};

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

const NO_SIMULATOR: &str = "mtdit has one world of its own, --env.type=tabletop; for others it measures held-out episodes (--dataset.eval_split, --eval_steps)";
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
    used("env_eval_freq", Integer, "20000", "with --env.type: steps between episodes in the world; 0 switches them off"),
    used("log_freq", Count, "200", "steps between log lines; 0: none"),
    used("eval_steps", Count, "0", "steps between measurements on held-out episodes; 0: none"),
    used("max_eval_samples", Count, "0", "held-out samples to measure, spread over the tasks; 0: all"),
    ignored("tolerance_s", Number, "0.0001", "the nearest frame is taken, and one further away than half a frame is an error; `mtdit dataset check` counts what is further away than 1e-4 s"),
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
    used("eval.n_episodes", Count, "50", "with --env.type: episodes for each of its tasks"),
    used("eval.batch_size", Count, "0", "with --env.type: episodes that run side by side; 0: as many as fit"),
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
    ours("env.type", "env", Nullable(&OneOf(&["tabletop"])), "null", "let the policy act in this world every --env_eval_freq steps"),
    ours("policy.vision_encoder_init", "vision_encoder_init", OneOf(&["pretrained", "random"]), r#""pretrained""#, "start a new policy's image tower from CLIP's weights or from chance"),
    ours("policy.clip_path", "clip_path", Nullable(&Text), "null", "folder of a CLIP model (model.safetensors, config.json); null: the Hub or its cache"),
    ours("precision", "precision", OneOf(&["f32", "bf16"]), r#""f32""#, "f32, or bf16 around the matrix products with weights kept in f32"),
    ours("crop", "crop", OneOf(&["per_sample", "shared"]), r#""per_sample""#, "random crop: its own place for every sample, or one per batch as in LeRobot"),
    ours("accumulate", "accumulate", Count, "1", "batches whose gradients are averaged into one update"),
    ours("accelerator.gradient_accumulation.steps", "accumulate", Count, "1", "another name for --accumulate, from newer LeRobot"),
    ours("replicas", "replicas", Count, "0", "parts of a batch computed side by side, one per core; 0: as many as cores and batch allow"),
    ours("repeated_diffusion_steps", "repeated_diffusion_steps", Count, "1", "draws of noise and time per sample; its pictures are encoded once for all"),
    ours("timesteps", "timesteps", OneOf(&["sampled", "last"]), r#""sampled""#, "diffusion times to train; last, with --policy.prediction_type=sample, is plain regression"),
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

/// Every setting.
pub(super) fn flags() -> impl Iterator<Item = &'static Flag> {
    SECTIONS.iter().flat_map(|(_, flags)| flags.iter())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
}
