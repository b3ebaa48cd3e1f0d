//! `LeRobot`'s loader on the same dataset, for the same policy: `tests/lerobot/bench.py` measures it.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::Recordings;
use crate::bench::child::answers;
use crate::bench::compare::{Contender, Line};
use crate::bench::{Facts, Teller};
use crate::cli::BenchArguments;

/// `PyTorch`'s `DataLoader` over a `LeRobotDataset`, ready to be measured.
pub(in crate::bench) struct DataLoader<'a> {
    contender: &'a Contender,
    recordings: &'a Recordings,
    /// The policy's `config.json`: neither weights nor towers are needed.
    policy: TempDir,
    /// Its versions, and what decodes its videos.
    pub(in crate::bench) facts: Facts,
}

impl<'a> DataLoader<'a> {
    /// Lets `LeRobot` open the dataset.
    ///
    /// # Errors
    /// When this Python has no `LeRobot`, or `LeRobot` cannot open it.
    pub(in crate::bench) fn prepare(contender: &'a Contender, recordings: &'a Recordings) -> Result<Self> {
        let policy = tempfile::tempdir().context("making a temporary folder")?;
        let config = policy.path().join("config.json");
        fs::write(&config, recordings.config_json()).with_context(|| format!("writing {}", config.display()))?;
        let mut prepared = Self { contender, recordings, policy, facts: Facts::new() };
        let facts: Vec<BTreeMap<String, String>> = answers(&mut prepared.command("dataset"))?;
        prepared.facts = facts.into_iter().flatten().collect();
        Ok(prepared)
    }

    fn command(&self, part: &str) -> Command {
        let mut command = self.contender.command(part, self.policy.path());
        command.arg("--dataset").arg(self.recordings.root());
        command
    }

    /// As many batches as ours.
    ///
    /// # Errors
    /// What Python said last.
    pub(in crate::bench) fn measure(&self, arguments: &BenchArguments) -> Result<Vec<Line>> {
        let teller = Teller::new("LeRobot", 1);
        teller.begin("samples decoded every time");
        let mut command = self.command("samples");
        for (flag, value) in [
            ("--batch", self.recordings.batch()),
            ("--num_workers", usize::from(arguments.num_workers)),
            ("--batches_per_run", self.recordings.batches_per_run()),
            ("--runs", usize::from(arguments.runs)),
            ("--warmup", usize::from(arguments.warmup)),
        ] {
            command.args([flag, &value.to_string()]);
        }
        let lines = answers(&mut command)?;
        teller.bar.finish();
        Ok(lines)
    }
}
