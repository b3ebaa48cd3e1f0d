//! `mtdit bench`: how long a policy takes on this machine, stage by stage, or how fast samples of a dataset are made ready for it;
//! and how long `LeRobot` takes.
//!
//! ```text
//! checkpoint or architecture ─┬─▶ Subject ──┬─ loading ───┐
//!                             │             ├─ inference ─┤
//!                             │             ├─ training ──┼─▶ Rows ─▶ compare ─▶ table, bench.json
//!                             ├─▶ Recordings ─── samples ─╯              ▲
//!                   dataset ──╯                bench.py ─────────────────╯
//! ```
//!
//! Everything is measured several times, one thing after the other; medians are compared.

mod samplers;
mod subject;
mod row;
mod child;
mod loading;
mod inference;
mod training;
mod samples;
mod compare;
mod machine;
mod table;

use std::cell::Cell;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::backend::{Chosen, choose};
use crate::cli::{BenchArguments, DeviceName};
use crate::percentiles::Percentiles;
use crate::predict::write;
use crate::progress::Progress;
use compare::Contender;
use row::Row;
pub(crate) use samplers::parse as sampler;
use samples::{DataLoader, Recordings};
use subject::Subject;

/// Seed of weights, pictures and noise: every run of the program measures the same.
const SEED: u64 = 0;
/// An instruction of ordinary length: the number of its tokens decides how long the text tower takes.
const TASK: &str = "put the red cup on the table";

pub(crate) fn run(arguments: &BenchArguments, device: DeviceName) -> Result<ExitCode> {
    let recordings = arguments.dataset.as_ref().map(|root| Recordings::open(root, arguments)).transpose()?;
    if let (Some(recordings), Some(folder)) = (&recordings, &arguments.decode_into) {
        return samples::first_epoch(recordings, folder);
    }
    let chosen = choose(device)?;
    if let Some(path) = arguments.checkpoint.as_ref().filter(|_| arguments.load_only) {
        return loading::once(path, &chosen);
    }
    let contender = Contender::find(arguments, &chosen)?;
    let mut bench = Bench { arguments, device, chosen, contender, rows: Vec::new(), facts: Vec::new() };
    let before = machine::load_average();
    match (&recordings, &arguments.checkpoint) {
        (Some(recordings), _) => bench.measure_samples(recordings)?,
        (None, Some(path)) => {
            let subject = Subject::open(path, &bench.chosen)?;
            bench.measure(&subject)?;
        }
        (None, None) => {
            for &n_cameras in &arguments.cameras {
                let subject = Subject::random(arguments.architecture, usize::from(n_cameras), &bench.chosen)?;
                bench.measure(&subject)?;
            }
        }
    }
    bench.report(before, machine::load_average())?;
    Ok(ExitCode::SUCCESS)
}

/// Names and values for the report.
type Facts = Vec<(String, String)>;

/// What is to be measured, and what has been.
struct Bench<'a> {
    arguments: &'a BenchArguments,
    device: DeviceName,
    chosen: Chosen,
    contender: Option<Contender>,
    rows: Vec<Row>,
    facts: Facts,
}

/// How often something is done.
#[derive(Clone, Copy, Debug)]
struct Repeats {
    /// First, without counting: memory is allocated and caches are filled.
    warmup: usize,
    /// Then, counted.
    runs: usize,
}

impl Repeats {
    fn of(arguments: &BenchArguments) -> Self {
        Self { warmup: usize::from(arguments.warmup), runs: usize::from(arguments.runs) }
    }

    /// The milliseconds that `work` takes on what `prepare` makes, which takes none.
    fn time<T>(self, mut prepare: impl FnMut() -> T, mut work: impl FnMut(T) -> Result<()>) -> Result<Percentiles> {
        let mut once = || -> Result<f64> {
            let prepared = prepare();
            let began = Instant::now();
            work(prepared)?;
            Ok(began.elapsed().as_secs_f64() * 1e3)
        };
        for _ in 0..self.warmup {
            once()?;
        }
        let times = (0..self.runs).map(|_| once()).collect::<Result<Vec<f64>>>()?;
        Ok(Percentiles::of(times))
    }
}

/// Says what is being measured.
struct Teller {
    bar: Progress,
    told: Cell<u64>,
}

impl Teller {
    fn new(label: &str, total: usize) -> Self {
        Self { bar: Progress::new(label, total as u64), told: Cell::new(0) }
    }

    fn begin(&self, what: &str) {
        self.bar.set(self.told.get(), what);
        self.told.set(self.told.get() + 1);
    }
}

impl Bench<'_> {
    /// Everything about one policy.
    fn measure(&mut self, subject: &Subject) -> Result<()> {
        let arguments = self.arguments;
        let repeats = Repeats::of(arguments);
        let samplings = subject.samplings(&arguments.samplers)?;
        let folder = subject.folder()?;
        // Whether LeRobot is there shows now, and not after all that is ours was measured.
        let rival = self.contender.as_ref().map(|contender| contender.prepare(folder.path())).transpose()?;

        let is_first = self.rows.is_empty();
        let batches: Vec<usize> = arguments.batch.iter().map(|&batch| usize::from(batch)).collect();
        let per_batch: usize = batches.iter().map(|&batch| inference::count(&samplings, batch)).sum();
        let teller = Teller::new("Measuring", per_batch + usize::from(is_first) + usize::from(arguments.training));
        let mut rows = Vec::new();
        if is_first {
            // It hardly depends on the number of cameras.
            teller.begin("loading");
            rows.extend(loading::measure(folder.path(), self.device, subject.n_cameras())?);
        }
        for &batch in &batches {
            rows.extend(inference::measure(subject, &samplings, batch, repeats, &teller)?);
        }
        if arguments.training {
            teller.begin("training");
            let batch = usize::from(arguments.training_batch);
            rows.push(training::measure(subject, batch, &self.chosen, repeats)?);
        }
        teller.bar.finish();

        if is_first {
            self.facts.extend(rival.iter().flat_map(|rival| rival.facts.clone()));
        }
        if let Some(rival) = rival {
            let names: Vec<&str> = samplings.iter().map(|sampling| sampling.name.as_str()).collect();
            compare::merge(&mut rows, &rival.measure(arguments, &names, is_first)?);
        }
        self.facts.push((table::cameras(subject.n_cameras()), subject.words()));
        self.rows.extend(rows);
        Ok(())
    }

    /// How fast samples are made ready. Nothing of the policy is computed.
    fn measure_samples(&mut self, recordings: &Recordings) -> Result<()> {
        let arguments = self.arguments;
        let contender = self.contender.as_ref();
        let rival = contender.map(|contender| DataLoader::prepare(contender, recordings)).transpose()?;
        let mut rows = samples::measure(recordings, arguments)?;
        if let Some(rival) = rival {
            compare::merge(&mut rows, &rival.measure(arguments)?);
            self.facts.extend(rival.facts);
        }
        self.facts.extend(recordings.facts());
        self.rows.extend(rows);
        Ok(())
    }

    /// The table for a person, every number for a program.
    fn report(self, before: Option<f64>, after: Option<f64>) -> Result<()> {
        let arguments = self.arguments;
        let facts = self.all_facts(before, after);
        for (name, fact) in &facts {
            say!("{name:<14}{fact}");
        }
        say!("\n{}", table::table(&self.rows));
        let warning = machine::busy(before, after, machine::threads());
        if let Some(warning) = &warning {
            say!("\nnote: {warning}");
        }
        let Some(out) = &arguments.out else { return Ok(()) };
        let is_file = out.extension().is_some_and(|extension| extension == "json");
        let path = if is_file { out.clone() } else { out.join("bench.json") };
        let facts: Map<String, Value> = facts.into_iter().map(|(name, fact)| (name, fact.into())).collect();
        let answer = json!({"facts": facts, "busy": warning, "rows": self.rows});
        write(&path, &serde_json::to_string_pretty(&answer)?)?;
        say!("\nnumbers       {}", path.display());
        Ok(())
    }

    fn all_facts(&self, before: Option<f64>, after: Option<f64>) -> Facts {
        let fact = |name: &str, fact: String| (name.to_owned(), fact);
        let load = |load: Option<f64>| load.map_or_else(|| "unknown".to_owned(), |load| format!("{load:.2}"));
        let (runs, warmup) = (self.arguments.runs, self.arguments.warmup);
        let mut facts = vec![fact("mtdit", env!("CARGO_PKG_VERSION").to_owned())];
        // Samples are made on the processor, whatever learns from them.
        if self.arguments.dataset.is_none() {
            facts.push(fact("device", self.chosen.name.to_owned()));
        }
        facts.extend([
            fact("threads", machine::threads().to_string()),
            fact("load average", format!("{} before, {} after", load(before), load(after))),
            fact("runs", format!("{runs}, after {warmup} that do not count")),
        ]);
        facts.extend(machine::processor().map(|name| fact("processor", name)));
        facts.extend(self.facts.iter().cloned());
        facts
    }
}
