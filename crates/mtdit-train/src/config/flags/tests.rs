//! Command lines and files as people write them.

use std::env;
use std::fs;
use std::process;

use serde_json::json;

use super::super::{Crop, Precision, VisionInit};
use super::locate::parent;
use super::*;

/// `train_config.json` of a genuine run of `LeRobot` 0.6.1.
const GENUINE: &str = r#"{
  "dataset": {
    "repo_id": "u/tiny", "repo_type": "dataset", "root": "datasets/av1", "episodes": null,
    "image_transforms": {
      "enable": false, "max_num_transforms": 3, "random_order": false,
      "tfs": {
        "brightness": {"weight": 1.0, "type": "ColorJitter", "kwargs": {"brightness": [0.8, 1.2]}},
        "contrast": {"weight": 1.0, "type": "ColorJitter", "kwargs": {"contrast": [0.8, 1.2]}},
        "saturation": {"weight": 1.0, "type": "ColorJitter", "kwargs": {"saturation": [0.5, 1.5]}},
        "hue": {"weight": 1.0, "type": "ColorJitter", "kwargs": {"hue": [-0.05, 0.05]}},
        "sharpness": {"weight": 1.0, "type": "SharpnessJitter", "kwargs": {"sharpness": [0.5, 1.5]}},
        "affine": {
          "weight": 1.0, "type": "RandomAffine", "kwargs": {"degrees": [-5.0, 5.0], "translate": [0.05, 0.05]}
        }
      }
    },
    "revision": null, "use_imagenet_stats": true, "video_backend": "pyav", "return_uint8": false,
    "depth_output_unit": "mm", "streaming": false, "eval_split": 0.34
  },
  "env": null,
  "policy": {
    "type": "multi_task_dit", "n_obs_steps": 2,
    "input_features": {
      "observation.state": {"type": "STATE", "shape": [4]},
      "observation.images.top": {"type": "VISUAL", "shape": [3, 48, 64]},
      "observation.images.wrist": {"type": "VISUAL", "shape": [3, 48, 64]}
    },
    "output_features": {"action": {"type": "ACTION", "shape": [3]}}, "device": "cpu", "use_amp": false,
    "use_peft": false, "push_to_hub": false, "repo_id": null, "private": null, "tags": null, "license": null,
    "pretrained_path": null, "pretrained_revision": null, "horizon": 8, "n_action_steps": 4,
    "objective": "diffusion", "noise_scheduler_type": "DDPM", "num_train_timesteps": 100,
    "beta_schedule": "squaredcos_cap_v2", "beta_start": 0.0001, "beta_end": 0.02, "prediction_type": "epsilon",
    "clip_sample": true, "clip_sample_range": 1.0, "num_inference_steps": null, "sigma_min": 0.0,
    "num_integration_steps": 100, "integration_method": "euler", "timestep_sampling_strategy": "beta",
    "timestep_sampling_s": 0.999, "timestep_sampling_alpha": 1.5, "timestep_sampling_beta": 1.0,
    "hidden_dim": 16, "num_layers": 2, "num_heads": 2, "dropout": 0.1, "use_positional_encoding": false,
    "timestep_embed_dim": 8, "use_rope": true, "rope_base": 10000.0, "vision_encoder_name": "clip",
    "use_separate_rgb_encoder_per_camera": false, "vision_encoder_lr_multiplier": 0.1,
    "image_resize_shape": null, "image_crop_shape": [32, 32], "image_crop_is_random": true,
    "text_encoder_name": "clip", "tokenizer_max_length": 77, "tokenizer_padding": "max_length",
    "tokenizer_padding_side": "right", "tokenizer_truncation": true,
    "normalization_mapping": {"VISUAL": "MEAN_STD", "STATE": "MIN_MAX", "ACTION": "MIN_MAX"},
    "optimizer_lr": 2e-05, "optimizer_betas": [0.95, 0.999], "optimizer_eps": 1e-08,
    "optimizer_weight_decay": 0.0, "scheduler_name": "cosine", "scheduler_warmup_steps": 0,
    "do_mask_loss_for_padding": false, "drop_n_last_frames": 3
  },
  "reward_model": null, "output_dir": "outputs/train/example", "job_name": "multi_task_dit", "resume": false,
  "seed": 1000, "cudnn_deterministic": false, "num_workers": 0, "batch_size": 4, "prefetch_factor": 4,
  "persistent_workers": true, "dataloader_multiprocessing_context": "spawn", "steps": 6,
  "env_eval_freq": 20000, "log_freq": 2, "eval_steps": 3, "max_eval_samples": 0, "tolerance_s": 0.0001,
  "save_checkpoint": true, "save_freq": 3, "use_policy_training_preset": true,
  "optimizer": {
    "type": "adam", "lr": 2e-05, "weight_decay": 0.0, "grad_clip_norm": 10.0, "betas": [0.95, 0.999],
    "eps": 1e-08
  },
  "scheduler": {"type": "diffuser", "num_warmup_steps": 0, "name": "cosine"},
  "eval": {
    "n_episodes": 50, "batch_size": 1, "use_async_envs": true, "recording": false, "recording_repo_id": null,
    "recording_private": false
  },
  "wandb": {
    "enable": false, "disable_artifact": false, "project": "lerobot", "entity": null, "notes": null,
    "run_id": null, "mode": null, "add_tags": true
  },
  "peft": null,
  "job": {
    "target": null, "image": "huggingface/lerobot-gpu:latest", "timeout": "2d", "detach": false, "tags": []
  },
  "save_checkpoint_to_hub": false, "sample_weighting": null, "rename_map": {}, "checkpoint_path": null
}"#;

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("mtdit-config-{}-{name}", process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder can be made");
        Self(folder)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(parent(&path)).expect("folders can be made");
        fs::write(&path, text).expect("files can be written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn run(args: &[&str]) -> Result<ParsedFlags, ConfigError> {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    parse(&args)
}

/// Parses a line that is right but for what is under test.
fn with_root(args: &[&str]) -> ParsedFlags {
    run(&[&["--dataset.root=data/kitchen"][..], args].concat()).expect("the line is right")
}

fn complaint(args: &[&str]) -> String {
    let error = run(&[&["--dataset.root=data/kitchen"][..], args].concat());
    error.expect_err("the line is wrong").to_string()
}

#[test]
fn a_genuine_file_survives_key_by_key() {
    let folder = Folder::new("genuine");
    let file = folder.write("train_config.json", GENUINE);
    let parsed = run(&["--config_path", &file.to_string_lossy()]).expect("it is genuine");
    let genuine: Value = serde_json::from_str(GENUINE).expect("it is JSON");
    assert_eq!(parsed.config.to_json().to_string(), genuine.to_string());
    assert_eq!(parsed.notes, Vec::<String>::new());
    assert_eq!(parsed.explicit.len(), 1);
}

#[test]
fn the_defaults_are_those_of_lerobot() {
    let ParsedFlags { config, extras, .. } = with_root(&[]);
    let genuine: Map<String, Value> = serde_json::from_str(GENUINE).expect("it is JSON");
    let found = config.to_json();
    let found = found.as_object().expect("a configuration is an object");
    assert!(found.keys().eq(genuine.keys()), "keys or their order differ");
    let policy = genuine["policy"].as_object().expect("a policy is an object");
    assert!(config.policy.keys().eq(policy.keys()), "policy keys differ");
    assert_eq!(config.policy["drop_n_last_frames"], json!(7));
    assert_eq!(config.policy["image_crop_shape"], json!([224, 224]));
    assert_eq!((config.batch_size, config.steps), (8, 100_000));
    assert_eq!(config.dataset.repo_id, "local/kitchen");
    assert_eq!(config.optimizer.betas, [0.95, 0.999]);
    assert_eq!(config.scheduler.num_warmup_steps, Some(0));
    assert_eq!(extras.vision_encoder_init, VisionInit::Pretrained);
    assert_eq!(extras.crop, Crop::PerSample);
    assert_eq!((extras.accumulate, extras.keep_last), (1, 0));
}

#[test]
fn values_take_the_type_of_their_field() {
    let flags = [
        "--steps=1e5",
        "--policy.dropout",
        "0",
        "--job_name=1e5",
        "--dataset.episodes=[0, 2]",
        "--policy.image_crop_shape=(32,32)",
        "--seed=null",
        "--policy.do_mask_loss_for_padding",
        "--save_freq",
        "-1",
        "--dry-run",
        "--accelerator.gradient_accumulation.steps=4",
    ];
    let ParsedFlags { config, extras, explicit, .. } = with_root(&flags);
    assert_eq!(config.steps, 100_000);
    assert_eq!(config.policy["dropout"].to_string(), "0.0");
    assert_eq!(config.job_name, "1e5");
    assert_eq!(config.dataset.episodes, Some(vec![0, 2]));
    assert_eq!(config.policy["image_crop_shape"], json!([32, 32]));
    assert_eq!(config.policy["do_mask_loss_for_padding"], json!(true));
    assert_eq!((config.seed, config.save_freq), (None, -1));
    assert!(extras.dry_run && extras.accumulate == 4);
    assert!(explicit.contains("policy.dropout"));
}

#[test]
fn mistakes_are_answered_with_what_to_write() {
    let expect = |flag: &str, parts: &[&str]| {
        let complaint = complaint(&[flag]);
        for part in parts {
            assert!(complaint.contains(*part), "`{part}` is not in `{complaint}`");
        }
    };
    expect("--batch-sise=8", &["batch_sise", "did you mean --batch_size"]);
    expect("--lr=1e-4", &["--policy.optimizer_lr"]);
    expect("--policy.horizn=16", &["--policy.horizon"]);
    expect("--batch_size=many", &["--batch_size=many", "a whole number"]);
    expect("--batch_size=0", &["batch_size is 0", "at least one"]);
    expect("--policy.objective=gan", &["diffusion, flow_matching"]);
    expect("--steps", &["--steps needs a value"]);
    expect("outputs", &["`outputs`", "--name=value"]);
    expect("--policy.type=act", &["multi_task_dit only"]);
    expect("--env.type=pusht", &["--env.type", "tabletop"]);
    expect("--env.fps=10", &["--env.fps", "--env.type=tabletop", "--eval_steps"]);
    expect("--peft.r=8", &["--peft.r", "adapters"]);
    expect("--dataset.streaming=true", &["download"]);
    expect("--dataset.image_transforms.enable=true", &["random crop"]);
    expect("--job.target=a10g-small", &["machine"]);
    expect("--eval_steps=100", &["--dataset.eval_split"]);
    expect("--dataset.eval_split=1.0", &["eval_split is 1"]);
    expect("--dataset.episodes=[1,1]", &["twice"]);
    expect("--policy.horizon=16", &["horizon 16"]);
    expect("--policy.scheduler_name=step", &["cosine"]);
    expect("--resume=true", &["--config_path"]);
    expect("--config_path=nowhere", &["train_config.json", "nowhere"]);
    expect("--rename_map={a: b}", &["--policy.path"]);
    expect("--accumulate=0", &["accumulate is 0"]);
    expect("--repeated_diffusion_steps=0", &["repeated_diffusion_steps is 0"]);
    let missing = run(&[]).expect_err("no dataset").to_string();
    assert!(missing.contains("--dataset.root"), "{missing}");
}

#[test]
fn what_is_ignored_is_said() {
    let flags = ["--wandb.enable=true", "--wandb.project=x", "--num_workers=2", "--optimizer.lr=1"];
    let ParsedFlags { config, notes, .. } = with_root(&flags);
    assert!(config.wandb.enable && config.num_workers == 2);
    let has = |text: &str| notes.iter().any(|note| note.contains(text));
    assert!(has("--wandb.enable, --wandb.project are ignored"), "{notes:?}");
    assert!(has("threads") && has("--optimizer.lr is ignored"), "{notes:?}");
    assert!(config.optimizer.lr < 1.0, "the preset wins");
    let free = with_root(&["--use_policy_training_preset=false", "--optimizer.lr=0.5"]);
    assert_eq!(free.config.optimizer.lr.to_string(), "0.5");
    let mixed = with_root(&["--policy.use_amp=true", "--job.target=local"]);
    assert_eq!(mixed.extras.precision, Precision::Bf16);
}

#[test]
fn a_run_is_resumed_where_it_lies() {
    let folder = Folder::new("resume");
    let checkpoint = "checkpoints/000003/pretrained_model";
    folder.write("checkpoints/000002/pretrained_model/train_config.json", "broken");
    folder.write(&format!("{checkpoint}/train_config.json"), GENUINE);
    let extras = r#"{"training": {"ema": {"enable": true, "power": 0.5}, "keep_last": 2}}"#;
    folder.write(&format!("{checkpoint}/mtdit.json"), extras);
    let path = folder.0.to_string_lossy();
    let flags = ["--resume=true", &format!("--config_path={path}"), "--steps=12", "--policy.optimizer_lr=1"];
    let ParsedFlags { config, extras, notes, .. } = run(&flags).expect("it can be resumed");
    assert_eq!(config.steps, 12);
    assert_eq!(config.output_dir, Some(folder.0.clone()));
    assert_eq!(config.checkpoint_path, Some(folder.0.join("checkpoints/000003")));
    let pretrained = folder.0.join(checkpoint).to_string_lossy().into_owned();
    assert_eq!(config.policy["pretrained_path"], json!(pretrained));
    assert!(config.optimizer.lr < 1.0, "a resumed run keeps its optimizer");
    assert!(extras.ema.enable && extras.keep_last == 2 && !extras.dry_run);
    assert_eq!(notes.len(), 2, "{notes:?}");
    let short = run(&["--resume", &format!("--output_dir={path}")]);
    assert_eq!(short.expect("the folder is enough").config.steps, 6);
}

#[test]
fn a_policy_is_continued_on_other_data() {
    let folder = Folder::new("policy");
    let genuine: Value = serde_json::from_str(GENUINE).expect("it is JSON");
    folder.write("config.json", &genuine["policy"].to_string());
    let path = format!("--policy.path={}", folder.0.display());
    let parsed = with_root(&[&path, "--policy.dropout=0.3"]);
    let policy = &parsed.config.policy;
    assert_eq!((&policy["hidden_dim"], &policy["dropout"]), (&json!(16), &json!(0.3)));
    assert_eq!(policy["drop_n_last_frames"], json!(3));
    assert_eq!(policy["pretrained_path"], json!(folder.0.to_string_lossy()));
    let longer = with_root(&[&path, "--policy.horizon=16"]);
    assert_eq!(longer.config.policy["drop_n_last_frames"], json!(11));
    let both = complaint(&[&path, "--policy.type=multi_task_dit"]);
    assert!(both.contains("only one"), "{both}");
    let file = folder.write("own.json", &json!({"policy": {"path": folder.0}}).to_string());
    let named = with_root(&["--config_path", &file.to_string_lossy()]);
    assert_eq!(named.config.policy["hidden_dim"], json!(16));
}

#[test]
fn newer_files_are_read_as_far_as_they_are_known() {
    let folder = Folder::new("newer");
    let newer = json!({
        "checkpoint_format": "hf",
        "accelerator": {"gradient_accumulation": {"steps": 2}, "mixed_precision": "bf16"},
        "ema": {"enable": true, "use_for_eval": true},
        "policy": {"dropout": 0},
    });
    let file = folder.write("train_config.json", &newer.to_string());
    let ParsedFlags { config, extras, notes, .. } = with_root(&["--config_path", &file.to_string_lossy()]);
    assert!(extras.ema.enable && extras.accumulate == 2);
    assert_eq!(config.policy["dropout"].to_string(), "0.0");
    let unknown = "checkpoint_format, accelerator.mixed_precision, ema.use_for_eval";
    assert!(notes.iter().any(|note| note.contains(unknown)), "{notes:?}");
    let wrong = folder.write("wrong.json", &json!({"steps": "many"}).to_string());
    let complaint = complaint(&["--config_path", &wrong.to_string_lossy()]);
    assert!(complaint.contains("`steps` is \"many\""), "{complaint}");
}

#[test]
fn an_existing_folder_is_not_overwritten() {
    let folder = Folder::new("exists");
    let mut config = with_root(&[&format!("--output_dir={}", folder.0.display())]).config;
    let error = config.settle_output_dir("2026-11-20/05-07-23");
    assert!(matches!(error, Err(ConfigError::OutputExists(_))));
    let mut config = with_root(&[]).config;
    let fresh = config.settle_output_dir("2026-11-20/05-07-23");
    let expected = "outputs/train/2026-11-20/05-07-23_multi_task_dit";
    assert_eq!(fresh.expect("it is new"), Path::new(expected));
}

#[test]
fn one_value_can_be_looked_up_beforehand() {
    let args = ["--policy.path", "a/b", "--policy.paths=x", "--policy.path=c"].map(str::to_owned);
    assert_eq!(value_of(&args, "policy.path"), Some("c"));
    assert_eq!(value_of(&args[..2], "policy.path"), Some("a/b"));
    assert_eq!(value_of(&args, "config_path"), None);
}
