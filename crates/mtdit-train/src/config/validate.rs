//! What has to hold in a configuration before anything is read.

use serde_json::Value;

use super::{ConfigError, Extras, TrainConfig};
use crate::schedule::LearningRate;

impl TrainConfig {
    /// Checks what can be checked without the dataset. [`parse`](super::parse) has done so; it is for configurations
    /// changed since.
    ///
    /// # Errors
    /// Names the first setting that is impossible.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.validate_run()?;
        self.validate_data()?;
        self.validate_optimizer()?;
        self.validate_chunk()
    }

    fn validate_run(&self) -> Result<(), ConfigError> {
        check("steps", self.steps, self.steps > 0, "at least one step is needed")?;
        check("batch_size", self.batch_size, self.batch_size > 0, "at least one sample per batch is needed")?;
        check(
            "eval_steps",
            self.eval_steps,
            self.eval_steps == 0 || self.dataset.eval_split > 0.0,
            "measuring held-out episodes needs some: set --dataset.eval_split between 0 and 1",
        )?;
        check("tolerance_s", self.tolerance_s, self.tolerance_s >= 0.0, "a tolerance is not negative")?;
        let context = self.dataloader_multiprocessing_context.as_deref();
        check(
            "dataloader_multiprocessing_context",
            context.unwrap_or("null"),
            matches!(context, None | Some("fork" | "spawn" | "forkserver")),
            "LeRobot accepts fork, spawn, forkserver and null",
        )?;
        check(
            "rename_map",
            "given",
            self.rename_map.is_empty() || !self.policy_value("pretrained_path").is_null(),
            "a new policy takes the dataset's names; renaming needs --policy.path",
        )
    }

    fn validate_data(&self) -> Result<(), ConfigError> {
        let split = self.dataset.eval_split;
        check(
            "dataset.eval_split",
            split,
            (0.0..1.0).contains(&split),
            "it has to be a share from 0 up to, but not including, 1",
        )?;
        let mut episodes = self.dataset.episodes.clone().unwrap_or_default();
        episodes.sort_unstable();
        let twice = episodes.windows(2).find(|pair| pair[0] == pair[1]);
        check("dataset.episodes", twice.map_or(0, |pair| pair[0]), twice.is_none(), "this episode is named twice")
    }

    fn validate_optimizer(&self) -> Result<(), ConfigError> {
        let optimizer = &self.optimizer;
        check(
            "optimizer.type",
            &optimizer.kind,
            optimizer.kind == "adam",
            "mtdit trains with adam, as LeRobot does for this policy",
        )?;
        check(
            "scheduler.type",
            &self.scheduler.kind,
            self.scheduler.kind == "diffuser",
            "mtdit has the schedules of the type diffuser",
        )?;
        check("the learning rate", optimizer.lr, optimizer.lr > 0.0, "it has to be above 0")?;
        let [first, second] = optimizer.betas;
        check(
            "the optimizer's betas",
            format!("({first}, {second})"),
            optimizer.betas.iter().all(|beta| (0.0..1.0).contains(beta)),
            "both have to lie from 0 up to, but not including, 1",
        )?;
        check("the optimizer's epsilon", optimizer.eps, optimizer.eps >= 0.0, "it is not negative")?;
        check("the weight decay", optimizer.weight_decay, optimizer.weight_decay >= 0.0, "it is not negative")?;
        let warmup = self.scheduler.num_warmup_steps.unwrap_or(0);
        LearningRate::new(&self.scheduler.name, optimizer.lr, warmup, self.steps)?;
        Ok(())
    }

    fn validate_chunk(&self) -> Result<(), ConfigError> {
        let [horizon, n_action_steps, n_obs_steps] =
            ["horizon", "n_action_steps", "n_obs_steps"].map(|key| self.policy_value(key).as_i64().unwrap_or(0));
        if n_obs_steps + n_action_steps - 1 > horizon {
            return Err(ConfigError::HorizonTooShort { horizon, n_obs_steps, n_action_steps });
        }
        Ok(())
    }

    fn policy_value(&self, key: &str) -> &Value {
        self.policy.get(key).unwrap_or(&Value::Null)
    }
}

impl Extras {
    /// Checks the settings that are only ours. [`parse`](super::parse) has done so.
    ///
    /// # Errors
    /// Names the first setting that is impossible.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check("accumulate", self.accumulate, self.accumulate > 0, "an update needs at least one batch")?;
        let repeats = self.repeated_diffusion_steps;
        check("repeated_diffusion_steps", repeats, repeats > 0, "a sample needs at least one draw of noise")?;
        check(
            "frame_cache_gb",
            self.frame_cache_gb,
            self.frame_cache_gb > 0.0,
            "a cache needs room; switch it off with --frame_cache=false",
        )?;
        let ema = &self.ema;
        let limits = 0.0 <= ema.min_decay && ema.min_decay <= ema.max_decay && ema.max_decay <= 1.0;
        check("ema.min_decay", ema.min_decay, limits, "0 <= ema.min_decay <= ema.max_decay <= 1 has to hold")?;
        check("ema.inv_gamma", ema.inv_gamma, ema.inv_gamma > 0.0, "it has to be above 0")?;
        check("ema.power", ema.power, ema.power > 0.0, "it has to be above 0")?;
        let decay = ema.decay.unwrap_or(0.0);
        check("ema.decay", decay, (0.0..=1.0).contains(&decay), "it has to lie from 0 to 1")
    }
}

fn check(setting: &'static str, value: impl ToString, possible: bool, rule: &'static str) -> Result<(), ConfigError> {
    if possible {
        return Ok(());
    }
    let value = value.to_string();
    Err(ConfigError::Invalid { setting, value, rule })
}
