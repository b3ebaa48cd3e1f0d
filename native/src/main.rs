//! `mtdit`: train and run Multi-Task Diffusion Transformer policies, without Python.
//!
//! Parse, choose a device, run, report. One file per subcommand; the libraries do the work.
#![recursion_limit = "256"]
#![expect(clippy::print_stderr, reason = "a command line prints")]

#[macro_use]
mod output;
mod cli;
mod backend;
mod hub;
mod tabletop_clip;
mod train;
mod first_run;
mod dry_run;
mod observation;
mod predict;
mod percentiles;
mod eval;
mod seed;
mod parallel;
mod tabletop;
mod generate;
mod rollout;
mod bench;
mod inspect;
mod publish;
mod dataset;
mod plot;
mod report;
mod contact_sheet;
mod progress;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};

/// Tensors come and go by the megabyte; the system's allocator gives such blocks back and asks for zeroed pages again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Train { arguments } => train::run(&arguments, cli.device),
        Command::Predict(arguments) => predict::run(&arguments, cli.device),
        Command::Eval(arguments) => eval::run(&arguments, cli.device),
        Command::Rollout(arguments) => rollout::run(&arguments, cli.device),
        Command::Bench(arguments) => bench::run(&arguments, cli.device),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Publish(arguments) => publish::run(&arguments, cli.device),
        Command::Dataset { command } => dataset::run(&command),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("mtdit: {}", sentence(&error));
            ExitCode::FAILURE
        }
    }
}

/// The whole chain of an error in one sentence; a cause that the text before it repeats is said once.
fn sentence(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |said, cause| {
        let cause = cause.to_string();
        match said.as_str() {
            "" => cause,
            _ if said.ends_with(&cause) => said,
            _ => format!("{said}: {cause}"),
        }
    })
}
