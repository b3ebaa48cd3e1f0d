//! `LeRobot` with the same weights: `tests/lerobot/bench.py` measures, its lines come beside ours.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use serde::Deserialize;
use tempfile::TempDir;

use super::child::answers;
use super::loading::LOADS;
use super::row::{Row, Theirs, What};
use super::{Facts, Teller, machine};
use crate::backend::Chosen;
use crate::cli::{BenchArguments, Competitor};

/// The script, from the root of the repository.
const SCRIPT: &str = "tests/lerobot/bench.py";

/// A Python with `LeRobot`, and what it runs.
pub(super) struct Contender {
    python: PathBuf,
    script: PathBuf,
    /// The device as `PyTorch` calls it.
    device: &'static str,
    threads: usize,
}

/// One thing that was measured, some times.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Line {
    #[serde(flatten)]
    what: What,
    compiled: bool,
    all: Vec<f64>,
}

impl Contender {
    /// Who is compared with, if anyone is.
    ///
    /// # Errors
    /// When the script or the interpreter is not there.
    pub(super) fn find(arguments: &BenchArguments, chosen: &Chosen) -> Result<Option<Self>> {
        let Some(Competitor::Lerobot) = arguments.compare else { return Ok(None) };
        let script = match &arguments.script {
            Some(script) => script.clone(),
            None => above(&env::current_dir().context("finding this folder")?).with_context(|| {
                format!("no folder above this one has {SCRIPT}; run it in the repository, or give --script FILE.py")
            })?,
        };
        ensure!(script.is_file(), "{}: there is no such script", script.display());
        let python = arguments.python.clone();
        // It answers at once whether it is one.
        Command::new(&python).arg("--version").output().map_err(|error| {
            anyhow!(
                "{} cannot be started ({error}); give --python PATH, a Python that has LeRobot, such as \
                 ~/.cache/mtdit/lerobot-venv/bin/python after tests/lerobot/run.sh",
                python.display()
            )
        })?;
        Ok(Some(Self { python, script, device: chosen.torch_name, threads: machine::threads() }))
    }

    /// Makes what `LeRobot` needs to open a checkpoint.
    ///
    /// # Errors
    /// When this Python has no `LeRobot`, or the checkpoint does not tell the shape of its towers.
    pub(super) fn prepare(&self, checkpoint: &Path) -> Result<Rival<'_>> {
        let towers = tempfile::tempdir().context("making a temporary folder")?;
        let rival = Rival { contender: self, checkpoint: checkpoint.to_owned(), towers, facts: Facts::new() };
        let facts: Vec<BTreeMap<String, String>> = answers(&mut rival.command("towers"))?;
        Ok(Rival { facts: facts.into_iter().flatten().collect(), ..rival })
    }

    /// The script, about to do a part of its work with the policy that a folder describes.
    pub(super) fn command(&self, part: &str, policy: &Path) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(&self.script).arg(part).arg(policy);
        command.args(["--device", self.device]).args(["--threads", &self.threads.to_string()]);
        command.env("HF_HUB_OFFLINE", "1").env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

/// `LeRobot`, ready to be measured on one checkpoint.
pub(super) struct Rival<'a> {
    contender: &'a Contender,
    checkpoint: PathBuf,
    /// CLIP's towers by name, which it wants to find before it loads a checkpoint.
    towers: TempDir,
    /// Its versions.
    pub(super) facts: Facts,
}

impl Rival<'_> {
    fn command(&self, part: &str) -> Command {
        let mut command = self.contender.command(part, &self.checkpoint);
        command.arg("--towers").arg(self.towers.path());
        command
    }

    /// Everything that was measured of ours, as far as `LeRobot` has it.
    ///
    /// # Errors
    /// What Python said last.
    pub(super) fn measure(
        &self,
        arguments: &BenchArguments,
        samplers: &[&str],
        with_loading: bool,
    ) -> Result<Vec<Line>> {
        let loads = if with_loading { LOADS } else { 0 };
        let teller = Teller::new("LeRobot", loads + 1 + usize::from(arguments.training));
        let mut lines = Vec::new();
        for _ in 0..loads {
            teller.begin("loading");
            lines.extend(answers::<Line>(&mut self.command("loading"))?);
        }
        let mut repeated = |part: &str, batch: &[u16], more: &[&str]| -> Result<()> {
            teller.begin(part);
            let batch = batch.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
            let mut command = self.command(part);
            command.args(["--batch", &batch]).args(more);
            command.args(["--runs", &arguments.runs.to_string(), "--warmup", &arguments.warmup.to_string()]);
            if arguments.compile {
                command.arg("--compile");
            }
            lines.extend(answers::<Line>(&mut command)?);
            Ok(())
        };
        repeated("inference", &arguments.batch, &["--samplers", &samplers.join(",")])?;
        if arguments.training {
            repeated("training", &[arguments.training_batch], &[])?;
        }
        teller.bar.finish();
        Ok(lines)
    }
}

/// The script in the nearest folder above that has it.
fn above(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join(SCRIPT)).find(|script| script.is_file())
}

/// Puts what was measured of `LeRobot` beside what was measured of us.
pub(super) fn merge(rows: &mut [Row], lines: &[Line]) {
    for row in rows {
        let wanted = What { stage: row.what.stage.of_lerobot(), ..row.what.clone() };
        let found = |compiled: bool| {
            let same = lines.iter().filter(|line| line.compiled == compiled && line.what == wanted);
            let times = row.unit.distribution(same.flat_map(|line| line.all.iter().copied()).collect());
            (times.n > 0).then(|| Theirs { ratio: row.ours.p50 / times.p50, times })
        };
        let (eager, compiled) = (found(false), found(true));
        (row.lerobot, row.lerobot_compiled) = (eager, compiled);
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, above, merge};
    use crate::bench::row::{Row, Stage, What};
    use crate::percentiles::Percentiles;

    fn row(stage: Stage, batch: Option<usize>, milliseconds: f64) -> Row {
        let sampler = matches!(stage, Stage::ChunkAllNew | Stage::ChunkNewestNew).then(|| "ddim-10".to_owned());
        Row::new(What { stage, sampler, cameras: 2, batch }, Percentiles::of(vec![milliseconds]))
    }

    fn lines(text: &str) -> Vec<Line> {
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    #[test]
    fn lines_come_beside_the_rows_that_they_belong_to() {
        let lines = lines(
            r#"{"stage": "loading", "sampler": null, "cameras": 2, "batch": null, "compiled": false, "all": [400.0]}
{"stage": "loading", "sampler": null, "cameras": 2, "batch": null, "compiled": false, "all": [200.0]}
{"stage": "loading", "sampler": null, "cameras": 2, "batch": null, "compiled": false, "all": [900.0]}
{"stage": "vision", "sampler": null, "cameras": 2, "batch": 8, "compiled": false, "all": [1.0]}
{"stage": "chunk_all_new", "sampler": "ddim-10", "cameras": 2, "batch": 1, "compiled": false, "all": [3.0, 1.0, 2.0]}
{"stage": "chunk_all_new", "sampler": "ddim-10", "cameras": 2, "batch": 1, "compiled": true, "all": [0.5]}
{"stage": "chunk_all_new", "sampler": "ddpm-10", "cameras": 2, "batch": 1, "compiled": false, "all": [9.0]}"#,
        );
        let mut rows = [
            row(Stage::Loading, None, 100.0),
            row(Stage::Vision, Some(1), 1.0),
            row(Stage::ChunkAllNew, Some(1), 1.0),
            row(Stage::ChunkNewestNew, Some(1), 0.25),
        ];
        merge(&mut rows, &lines);
        let ratios = rows
            .each_ref()
            .map(|row| [&row.lerobot, &row.lerobot_compiled].map(|theirs| theirs.as_ref().map(|theirs| theirs.ratio)));
        assert_eq!(ratios[0], [Some(0.25), None], "of three loads the median");
        assert_eq!(ratios[1], [None, None], "another batch is another thing");
        assert_eq!(ratios[2], [Some(0.5), Some(2.0)], "eager and compiled");
        assert_eq!(ratios[3], [Some(0.125), Some(0.5)], "it keeps nothing, so its whole chunk");
    }

    #[test]
    fn all_its_epochs_are_alike() {
        let lines = lines(
            r#"{"stage": "samples_decoded", "sampler": null, "cameras": 2, "batch": 4, "compiled": false, "all": [10.0, 30.0, 20.0]}"#,
        );
        let stages = [Stage::SamplesCold, Stage::SamplesWarm, Stage::SamplesDecoded, Stage::Decoding];
        let mut rows = stages.map(|stage| row(stage, Some(4), 40.0));
        merge(&mut rows, &lines);
        let ratios = rows.each_ref().map(|row| row.lerobot.as_ref().map(|theirs| theirs.ratio));
        assert_eq!(ratios, [Some(2.0), Some(2.0), Some(2.0), None], "it never decodes everything at once");
        let rates = rows[0].lerobot.as_ref().map(|theirs| theirs.times.all.clone());
        assert_eq!(rates, Some(vec![30.0, 20.0, 10.0]), "rates, so the best is the largest");
    }

    #[test]
    fn an_unknown_stage_is_not_passed_over() {
        let line = r#"{"stage": "dreaming", "sampler": null, "cameras": 2, "batch": 1, "compiled": false, "all": []}"#;
        let refused = serde_json::from_str::<Line>(line).expect_err("there is no such stage");
        assert!(refused.to_string().contains("dreaming"), "{refused}");
    }

    #[test]
    fn the_script_is_found_from_anywhere_in_the_repository() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (inner, script) = (folder.path().join("native/src"), folder.path().join("tests/lerobot/bench.py"));
        std::fs::create_dir_all(&inner).expect("a new folder");
        assert_eq!(above(&inner), None, "there is none yet");
        std::fs::create_dir_all(folder.path().join("tests/lerobot")).expect("a new folder");
        std::fs::write(&script, "").expect("a new file");
        assert_eq!(above(&inner), Some(script), "two folders above");
    }
}
