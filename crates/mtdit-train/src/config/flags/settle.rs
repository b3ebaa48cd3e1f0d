//! What follows from the settings, as `LeRobot` derives it, and the checks of the result.

use std::ffi::OsStr;
use std::fs;
use std::path::{self, Path, PathBuf};

use serde_json::Value;

use super::locate::parent;
use super::settings::{Settings, insert};
use super::{ParsedFlags, is_about};
use crate::config::defaults::{Treatment, flags};
use crate::config::{ConfigError, Extras, TrainConfig};

impl Settings {
    /// Derives what follows from the settings, and checks the result.
    pub(super) fn settle(mut self) -> Result<ParsedFlags, ConfigError> {
        self.refuse()?;
        self.settle_names()?;
        self.settle_resume()?;
        self.settle_preset();
        self.settle_policy();
        let config: TrainConfig = serde_json::from_value(Value::Object(self.lerobot)).map_err(ConfigError::Shape)?;
        let extras: Extras = serde_json::from_value(Value::Object(self.ours)).map_err(ConfigError::Shape)?;
        config.validate()?;
        extras.validate()?;
        Ok(ParsedFlags { config, extras, notes: self.notes, explicit: self.explicit })
    }

    /// Refuses what cannot be honoured, wherever it comes from; a flag can set it right again.
    fn refuse(&self) -> Result<(), ConfigError> {
        for flag in flags().filter(|flag| flag.treatment == Treatment::Refused) {
            let value = self.get(flag.name);
            if *value != flag.default_value() && value != "local" {
                let written = self.explicit.iter().find(|name| is_about(flag, name));
                return Err(ConfigError::Unsupported {
                    flag: written.map_or(flag.name, String::as_str).to_owned(),
                    reason: flag.meaning,
                });
            }
        }
        match self.get("policy.type").as_str() {
            Some("multi_task_dit") => Ok(()),
            other => Err(ConfigError::PolicyType(other.unwrap_or("null").to_owned())),
        }
    }

    fn settle_names(&mut self) -> Result<(), ConfigError> {
        if self.get("job_name").is_null() {
            self.put("job_name", Value::from("multi_task_dit"));
        }
        if self.get("dataset.repo_id").is_null() {
            let root = self.get("dataset.root").as_str().ok_or(ConfigError::NoDataset)?;
            let folder = Path::new(root).file_name().unwrap_or_default();
            let name = format!("local/{}", folder.to_string_lossy());
            self.notes.push(format!("checkpoints call the dataset {name}; --dataset.repo_id gives it another name"));
            self.put("dataset.repo_id", Value::from(name));
        }
        Ok(())
    }

    /// A resumed run goes on in the folder that its checkpoint lies in.
    fn settle_resume(&mut self) -> Result<(), ConfigError> {
        if !self.is_on("resume") {
            self.put("checkpoint_path", Value::Null);
            return Ok(());
        }
        let file = self.config_file.clone();
        let mut file = file.ok_or(ConfigError::NothingToResume)?;
        if file.components().count() < 4 {
            file = path::absolute(&file).unwrap_or(file);
        }
        let folder = parent(&file);
        let checkpoint = parent(&folder);
        let checkpoints = parent(&checkpoint);
        let text = |path: &Path| Value::from(path.to_string_lossy().into_owned());
        self.put("policy.pretrained_path", text(&folder));
        self.put("checkpoint_path", text(&checkpoint));
        if self.explicit.contains("output_dir") || checkpoints.file_name() != Some(OsStr::new("checkpoints")) {
            return Ok(());
        }
        let run = parent(&checkpoints);
        let stored = self.get("output_dir").as_str().map(PathBuf::from);
        let real = |path: &Path| fs::canonicalize(path).ok();
        if stored.and_then(|stored| real(&stored)) != real(&run) {
            self.notes.push(format!("the run has moved and continues where its checkpoint is: {}", run.display()));
            self.put("output_dir", text(&run));
        }
        Ok(())
    }

    /// Optimizer and schedule come from the policy, except in a resumed run, which keeps its own.
    fn settle_preset(&mut self) {
        if !self.is_on("use_policy_training_preset") {
            return;
        }
        let resumed = self.is_on("resume");
        let groups = if resumed { ["policy.optimizer_", "policy.scheduler_"] } else { ["optimizer.", "scheduler."] };
        let idle = |name: &&String| groups.iter().any(|group| name.starts_with(*group));
        for name in self.explicit.iter().filter(idle) {
            self.notes.push(if resumed {
                format!("--{name} is ignored: a resumed run keeps its optimizer; --optimizer.* and --scheduler.* change it")
            } else {
                format!("--{name} is ignored: the policy's preset is used; set --policy.optimizer_* or --use_policy_training_preset=false")
            });
        }
        if resumed {
            return;
        }
        for (name, value) in [
            ("optimizer.type", Value::from("adam")),
            ("optimizer.lr", self.get("policy.optimizer_lr").clone()),
            ("optimizer.weight_decay", self.get("policy.optimizer_weight_decay").clone()),
            ("optimizer.grad_clip_norm", Value::from(10.0)),
            ("optimizer.betas", self.get("policy.optimizer_betas").clone()),
            ("optimizer.eps", self.get("policy.optimizer_eps").clone()),
            ("scheduler.type", Value::from("diffuser")),
            ("scheduler.num_warmup_steps", self.get("policy.scheduler_warmup_steps").clone()),
            ("scheduler.name", self.get("policy.scheduler_name").clone()),
        ] {
            self.put(name, value);
        }
    }

    fn settle_policy(&mut self) {
        let number = |name: &str| self.get(name).as_i64().unwrap_or(0);
        let drop = number("policy.horizon") + 1 - number("policy.n_action_steps") - number("policy.n_obs_steps");
        let sizes = ["policy.horizon", "policy.n_action_steps", "policy.n_obs_steps"];
        let changed = sizes.iter().any(|name| self.explicit.contains(*name));
        let chosen = self.explicit.contains("policy.drop_n_last_frames");
        if self.get("policy.drop_n_last_frames").is_null() || (changed && !chosen) {
            // A negative number is a horizon that is too short, which is refused by that name.
            self.put("policy.drop_n_last_frames", Value::from(drop.max(0)));
        }
        if self.is_on("policy.push_to_hub") && self.get("policy.repo_id").is_null() {
            self.put("policy.push_to_hub", Value::Bool(false));
        }
        let precision_is_chosen = self.has_saved_extras || self.explicit.contains("precision");
        if self.is_on("policy.use_amp") && !precision_is_chosen {
            insert(&mut self.ours, "precision", Value::from("bf16"));
            self.notes.push(
                "mixed precision computes in bf16 here, with weights in f32; --precision=f32 switches it off"
                    .to_owned(),
            );
        }
    }
}
