//! `mtdit publish`: checkpoints to a folder that any static host can serve, with the page that runs them.
//!
//! ```text
//! checkpoint ──weights──▶ models/NAME/  ──policy──▶ expected chunk ─┐
//! dataset ───sample────▶   sample/*.png ──────────────────▲         ├─▶ manifest.json ─▶ models/index.json
//! page ────────────────▶ index.html, page and engine                ┘
//! ```
//!
//! A checkpoint's folder is written under a temporary name and renamed; the list of checkpoints comes last.

mod listing;
mod page;
mod site;
mod seal;
mod size;
mod weights;
mod sample;
mod checkpoint;
mod serve;

use std::cell::Cell;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, ensure};
use mtdit_policy::checkpoint::WeightSource;
use mtdit_train::CheckpointFolder;
use mtdit_web::manifest::Listed;

use crate::backend::{Chosen, choose};
use crate::cli::{DeviceName, PublishArguments, WeightDtype};
use crate::progress::Progress;
use checkpoint::Order;
use page::Page;
use site::{Names, Published};
pub(crate) use size::parse as piece_size;

const MIB: u64 = 1 << 20;

pub(crate) fn run(arguments: &PublishArguments, device: DeviceName) -> Result<ExitCode> {
    let out = &arguments.out;
    let site = Published::open(out)?;
    if arguments.checkpoints.is_empty() {
        ensure!(!site.is_new(), "{} is no published site yet; name the checkpoints to publish there", out.display());
    } else {
        publish(arguments, device, site)?;
    }
    if let Some(address) = arguments.serve {
        serve::serve(out, address)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What all checkpoints of one publication have in common.
struct Publication {
    chosen: Chosen,
    dtype: WeightDtype,
    max_piece: Option<u64>,
    bar: Progress,
    /// Bytes of weights that were read so far.
    done: Cell<u64>,
}

impl Publication {
    /// Reports that so many more bytes of weights were read.
    fn advance(&self, bytes: u64, name: &str) {
        let (before, after) = (self.done.get(), self.done.get() + bytes);
        self.done.set(after);
        if before.div_ceil(MIB) != after.div_ceil(MIB) {
            self.bar.set(after.div_ceil(MIB), &format!("MiB, {name}"));
        }
    }

    /// Says something that does not stop the work.
    fn note(&self, text: &str) {
        self.bar.println(&format!("note: {text}"));
    }
}

fn publish(arguments: &PublishArguments, device: DeviceName, mut site: Published) -> Result<()> {
    let page = Page::find(arguments.page.as_deref(), &arguments.out)?;
    let orders = orders(arguments)?;
    let publication = Publication {
        chosen: choose(device)?,
        dtype: arguments.dtype,
        max_piece: arguments.max_piece,
        bar: Progress::new("Publishing", orders.iter().map(|order| order.bytes).sum::<u64>().div_ceil(MIB)),
        done: Cell::new(0),
    };

    site.begin()?;
    let write = |order: &Order| checkpoint::write(order, &site.unfinished(&order.slug), &publication);
    let written: Result<Vec<Listed>> = orders.iter().map(write).collect();
    if written.is_err() {
        site.abandon();
    }
    for listed in written? {
        site.place(listed)?;
    }
    page.write(&arguments.out)?;
    site.finish()?;
    publication.bar.finish();

    let (count, bytes) = site.contents();
    let out = arguments.out.display();
    say!("{out}: {count} checkpoint{}, {}", if count == 1 { "" } else { "s" }, size::words(bytes));
    if arguments.serve.is_none() {
        say!("give the folder to any static host, or look at it here: mtdit publish --serve --out {out}");
    }
    Ok(())
}

/// What is to be published under which name, once every checkpoint was found to be one.
fn orders(arguments: &PublishArguments) -> Result<Vec<Order>> {
    let count = arguments.checkpoints.len();
    let names = &arguments.names;
    ensure!(
        names.is_empty() || names.len() == count,
        "--name is given {} times for {count} checkpoints; give one for each, or none",
        names.len()
    );
    for (flag, given) in [("--dataset", arguments.datasets.len()), ("--task", arguments.tasks.len())] {
        ensure!(
            given <= 1 || given == count,
            "{flag} is given {given} times for {count} checkpoints; give one for all, or one for each"
        );
    }
    let mut slugs = Names::default();
    let order = |(i, path): (usize, &PathBuf)| -> Result<Order> {
        let folder = CheckpointFolder::find(path)?;
        let weights = folder.weights()?;
        let lengths = weights.index().iter().map(|(_, entry)| entry.range.end - entry.range.start);
        let name = names.get(i).cloned().unwrap_or_else(|| name_of(path));
        Ok(Order {
            bytes: lengths.sum(),
            parameters: weights.index().iter().map(|(_, entry)| entry.shape.iter().product::<usize>()).sum(),
            slug: slugs.take(&name),
            name,
            dataset: arguments.datasets.get(i).or(arguments.datasets.first()).cloned(),
            task: arguments.tasks.get(i).or(arguments.tasks.first()).cloned(),
            folder,
        })
    };
    arguments.checkpoints.iter().enumerate().map(order).collect()
}

/// A name for a checkpoint that was given none: its folder's, or that of the training output it lies in.
fn name_of(path: &Path) -> String {
    let layout = ["pretrained_model", "pretrained_model_ema", "checkpoint", "checkpoints", "last"];
    let says_something = |name: &String| !layout.contains(&name.as_str()) && !name.bytes().all(|b| b.is_ascii_digit());
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut names = path.components().rev().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
    });
    names.find(says_something).unwrap_or_else(|| "checkpoint".to_owned())
}
