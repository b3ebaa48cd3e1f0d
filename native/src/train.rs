//! `mtdit train`: `LeRobot`'s flags to a training, with its progress on the terminal and its pictures on disk.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, process};

use anyhow::{Context, Result};
use clap::ValueEnum;
use mtdit_train::config::{Env, VisionInit, help, parse};
use mtdit_train::{EnvMetrics, Environment, ParsedFlags, Started, StepMetrics, TrainEvent, TrainOptions, Trainer};

use crate::cli::DeviceName;
use crate::progress::{Progress, StepLine, format_count, log_line};
use crate::rollout::{Controller, Tabletop};
use crate::{backend, dry_run, first_run, hub, plot};

/// Exit status after Ctrl-C, as shells know it.
const INTERRUPTED: u8 = 130;

pub(crate) fn run(arguments: &[String], device: DeviceName) -> Result<ExitCode> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        say!("{}", help().trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let first = arguments.is_empty().then(first_run::flags).transpose()?;
    let flags = parse(&with_device(first.as_deref().unwrap_or(arguments), device))?;
    let options = options(flags)?;
    let has_average = options.extras.ema.enable;
    let (is_dry, output_dir) = (options.extras.dry_run, options.output_dir.clone());
    let config = options.extras.env.map(|Env::Tabletop| options.config.clone());

    let stop = stop_on_interrupt()?;
    let console = Console::new(output_dir.clone());
    let trainer = Trainer::prepare(options, &stop, &|event| console.hear(event))?;
    if is_dry {
        let pages = dry_run::write(&trainer, &output_dir)?;
        say!("{pages}");
        return Ok(ExitCode::SUCCESS);
    }
    let acting = |ended, episodes| console.act(ended, episodes);
    let tabletop = config.map(|config| Tabletop::new(&config, &output_dir, &acting));
    let world = tabletop.as_ref().map(|tabletop| tabletop as &dyn Environment);
    if world.is_some() {
        // A policy that does not fit its world is told so before it is trained.
        Controller::policy(trainer.policy(), trainer.policy().default_sampler())?;
    }
    trainer.run(world, &stop, &|event| console.hear(event))?;
    console.last_words(world.is_some(), has_average);
    Ok(if stop.load(Ordering::Relaxed) { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}

/// `--device` means `--policy.device`, as in the other commands; `device` is one that stood before the flags.
fn with_device(arguments: &[String], device: DeviceName) -> Vec<String> {
    let rename = |argument: &String| match argument.strip_prefix("--device") {
        Some(rest) if rest.is_empty() || rest.starts_with('=') => format!("--policy.device{rest}"),
        _ => argument.clone(),
    };
    let named = (device != DeviceName::Auto).then(|| device.to_possible_value()).flatten();
    let before = named.map(|value| format!("--policy.device={}", value.get_name()));
    before.into_iter().chain(arguments.iter().map(rename)).collect()
}

fn options(flags: ParsedFlags) -> Result<TrainOptions> {
    let ParsedFlags { mut config, extras, notes, explicit } = flags;
    for note in notes {
        eprintln!("note: {note}");
    }
    let device = config.policy.get("device").and_then(|device| device.as_str()).unwrap_or("auto");
    let name = match device.split(':').next().unwrap_or("auto") {
        // A configuration written on another machine may name what this build does not have.
        "cuda" | "mps" | "xpu" if !explicit.contains("policy.device") => DeviceName::Auto,
        device => DeviceName::from_str(device, true).map_err(|_unknown| {
            anyhow::anyhow!("--policy.device={device} is not known; there are auto, cpu, cuda and wgpu")
        })?,
    };
    let chosen = backend::choose(name)?;
    let dataset_root = hub::dataset_folder(
        config.dataset.root.as_deref(),
        &config.dataset.repo_id,
        config.dataset.revision.as_deref(),
    )?;
    let output_dir = config.settle_output_dir(&now())?;
    let starts_new = config.policy.get("pretrained_path").is_none_or(|path| {
        path.as_str().is_none_or(|path| {
            mtdit_train::CheckpointFolder::find(Path::new(path)).is_ok_and(|folder| !folder.has_weights())
        })
    });
    let vision_name = config.policy.get("vision_encoder_name").and_then(|name| name.as_str()).unwrap_or_default();
    let needs_clip = starts_new && !config.resume && extras.vision_encoder_init == VisionInit::Pretrained;
    let clip_folder = if needs_clip {
        Some(hub::clip_folder(vision_name, extras.clip_path.as_deref(), extras.hf_endpoint.as_deref())?)
    } else {
        extras.clip_path.clone()
    };
    Ok(TrainOptions {
        frame_cache_dir: extras.frame_cache_dir.clone().unwrap_or_else(hub::frame_cache_folder),
        device: chosen.device,
        device_name: chosen.torch_name.to_owned(),
        config,
        extras,
        output_dir,
        dataset_root,
        clip_folder,
    })
}

/// The first Ctrl-C asks the loop to save and end; the second ends at once.
fn stop_on_interrupt() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = stop.clone();
    #[expect(clippy::exit, reason = "the second Ctrl-C means now")]
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            process::exit(i32::from(INTERRUPTED));
        }
        eprintln!("saving after this step; press Ctrl-C again to end at once");
    })
    .context("listening for Ctrl-C")?;
    Ok(stop)
}

/// Local time as `2026-11-20/05-07-23`, for the default output folder.
fn now() -> String {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days since 1970 to a date (Hinnant, "chrono-compatible low-level date algorithms").
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}/{:02}-{:02}-{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Draws what the loop reports.
struct Console {
    output_dir: PathBuf,
    bar: Mutex<Option<Progress>>,
    /// Whether the bar is that of episodes in a world.
    acts: AtomicBool,
    started: Mutex<Option<Started>>,
}

impl Console {
    fn new(output_dir: PathBuf) -> Self {
        Self { output_dir, bar: Mutex::new(None), acts: AtomicBool::new(false), started: Mutex::new(None) }
    }

    fn hear(&self, event: TrainEvent) {
        match event {
            TrainEvent::Note(note) => self.say(&format!("note: {note}")),
            TrainEvent::Caching(done, total) => {
                self.with_bar("Decoding", total, |bar| bar.set(done, "frames"));
                if done == total {
                    self.end_bar();
                }
            }
            TrainEvent::Started(started) => self.start(started),
            TrainEvent::Step(step) => {
                let steps = self.started().as_ref().map_or(0, |started| started.steps);
                self.with_bar("Training", steps, |bar| bar.set(step, ""));
            }
            TrainEvent::Metrics(metrics) => self.say(&self.line(&metrics)),
            TrainEvent::Evaluated(metrics) => self.say(&format!(
                "step {}: eval_loss={:.4} eval_action_mae={:.4} (mean action: {:.4})",
                metrics.step, metrics.eval_loss, metrics.eval_action_mae, metrics.eval_mean_action_mae
            )),
            TrainEvent::Acted(metrics) => self.say(&acted(&metrics)),
            TrainEvent::Saved(step, folder) => {
                self.say(&format!("Checkpoint policy after step {step}: {}", folder.display()));
                if let Err(error) = self.draw() {
                    self.say(&format!("note: no picture of the training: {error:#}"));
                }
            }
            TrainEvent::Finished(step) => {
                self.end_bar();
                self.say(&format!("End of training at step {step}"));
            }
        }
    }

    /// Episodes of the world have ended; the bar of the training rests meanwhile.
    fn act(&self, ended: usize, episodes: usize) {
        if !self.acts.swap(true, Ordering::Relaxed) {
            self.end_bar();
        }
        self.with_bar("Acting", episodes as u64, |bar| bar.set(ended as u64, "episodes"));
        if ended == episodes {
            self.end_bar();
            self.acts.store(false, Ordering::Relaxed);
        }
    }

    fn start(&self, started: Started) {
        self.end_bar();
        let lines = [
            format!("Output dir: {}", started.output_dir.display()),
            format!("steps: {} (from {})", format_count_u64(started.steps), started.step),
            format!(
                "dataset: {} frames, {} episodes, {} samples per epoch",
                started.n_frames, started.n_episodes, started.n_samples
            ),
            format!("Effective batch size: {}", started.batch_size),
            format!("num_learnable_params: {}", format_count_u64(started.n_learnable as u64)),
            format!("num_total_params: {}", format_count_u64(started.n_parameters as u64)),
            format!("device: {}", started.device),
        ];
        for line in lines {
            self.say(&line);
        }
        *self.started() = Some(started);
    }

    fn line(&self, metrics: &StepMetrics) -> String {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let frames_per_episode =
            self.started().as_ref().map_or(1.0, |started| started.n_frames as f64 / started.n_episodes.max(1) as f64);
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let episodes = metrics.samples as f64 / frames_per_episode.max(1.0);
        log_line(&StepLine {
            step: metrics.step,
            samples: metrics.samples,
            episodes,
            epochs: metrics.epochs,
            loss: metrics.loss,
            grad_norm: metrics.grad_norm,
            lr: metrics.lr,
            update_s: metrics.update_s,
            data_s: metrics.data_s,
            samples_per_s: metrics.samples_per_s,
            step_s: Some(metrics.step_s),
        })
    }

    /// `training.svg` from all lines so far.
    fn draw(&self) -> Result<()> {
        let path = self.output_dir.join("metrics.jsonl");
        if !path.exists() {
            return Ok(());
        }
        let text = fs::read_to_string(path)?;
        let points: Vec<plot::MetricPoint> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if !points.is_empty() {
            fs::write(self.output_dir.join("training.svg"), plot::training_curves(&points)?)?;
        }
        Ok(())
    }

    /// Where everything is. The moving average, if there is one, is what the numbers were measured with.
    fn last_words(&self, has_acted: bool, has_average: bool) {
        if let Err(error) = self.draw() {
            eprintln!("note: no picture of the training: {error:#}");
        }
        let folder = self.output_dir.display();
        let checkpoint = format!("{folder}/checkpoints/last{}", if has_average { "/pretrained_model_ema" } else { "" });
        say!("checkpoint: {checkpoint}");
        say!("pictures:   {folder}/training.svg");
        if has_acted {
            say!("videos:     {folder}/rollout/");
            say!("next:       mtdit rollout --checkpoint {checkpoint} --episodes 50 --out {folder}/rollout/last");
            say!("            mtdit publish {checkpoint} --out {folder}/site --serve");
        } else {
            say!("next:       mtdit eval --checkpoint {checkpoint} --out {folder}/eval");
        }
    }

    fn started(&self) -> std::sync::MutexGuard<'_, Option<Started>> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bar(&self) -> std::sync::MutexGuard<'_, Option<Progress>> {
        self.bar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_bar(&self, label: &str, total: u64, act: impl FnOnce(&Progress)) {
        act(self.bar().get_or_insert_with(|| Progress::new(label, total)));
    }

    fn end_bar(&self) {
        if let Some(bar) = self.bar().take() {
            bar.finish();
        }
    }

    fn say(&self, line: &str) {
        match &*self.bar() {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }
}

/// Success in the world, and for each of its tasks.
fn acted(metrics: &EnvMetrics) -> String {
    let percent = |share: f64| format!("{:.0}%", share * 100.0);
    let per_task = metrics.env_success_per_task.iter();
    let per_task: Vec<String> = per_task.map(|(task, share)| format!("{task} {}", percent(*share))).collect();
    format!(
        "step {}: success {} over {} episodes in {:.0} s: {}",
        metrics.step,
        percent(metrics.env_success),
        metrics.env_episodes,
        metrics.env_s,
        per_task.join(", ")
    )
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn format_count_u64(count: u64) -> String {
    format_count(count as f64)
}

#[cfg(test)]
mod tests {
    use super::{DeviceName, now, with_device};

    #[test]
    fn the_device_flag_is_lerobots() {
        let arguments = ["--device=cpu", "--device", "cuda", "--devices=1"].map(str::to_owned);
        let renamed = ["--policy.device=cpu", "--policy.device", "cuda", "--devices=1"];
        assert_eq!(with_device(&arguments, DeviceName::Auto), renamed, "among the flags");
        assert_eq!(with_device(&[], DeviceName::Cpu), ["--policy.device=cpu"], "before them");
    }

    #[test]
    fn the_time_is_a_date_and_a_time() {
        let now = now();
        assert_eq!(now.len(), "2026-11-20/05-07-23".len(), "{now}");
        assert!(now.starts_with("20"), "{now} is in this century");
    }
}
