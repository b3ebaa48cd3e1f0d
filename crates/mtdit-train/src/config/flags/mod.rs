//! The command line of `mtdit train`, read as `lerobot-train` reads its own.
//!
//! Later sources win: the defaults, the policy that `--policy.path` names, the file that `--config_path` names, the flags.
//! All of them are typed against the table in `defaults`, so a number in a file and a number on the command line
//! end up the same. What `LeRobot` derives is derived here too: the optimizer from the policy's preset, the number of
//! frames that start no sample, the checkpoint that a resumed run continues.

mod literal;
mod locate;
mod settings;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

pub(super) use self::literal::literal;
use self::locate::{locate, read_object};
use self::settings::Settings;
use super::defaults::{Flag, Kind, Treatment, flags};
use super::{ConfigError, Extras, TrainConfig};

/// What a command line asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedFlags {
    /// The run, in `LeRobot`'s words.
    pub config: TrainConfig,
    /// What only mtdit knows.
    pub extras: Extras,
    /// Sentences for the user: what is ignored, what was changed.
    pub notes: Vec<String>,
    /// Dotted names that stood on the command line.
    pub explicit: BTreeSet<String>,
}

/// Reads a command line, without the program's and the subcommand's name, and the files that it names.
///
/// # Errors
/// Names the flag, the file or the setting that is wrong, and what to write instead.
pub fn parse(args: &[String]) -> Result<ParsedFlags, ConfigError> {
    let given = read(args)?;
    let path = |name| last(&given, name)?.as_str().map(PathBuf::from);
    let resumes = last(&given, "resume") == Some(&Value::Bool(true));
    let config_path = path("config_path").or_else(|| path("output_dir").filter(|_| resumes));
    if resumes && config_path.is_none() {
        return Err(ConfigError::NothingToResume);
    }

    let mut settings = Settings::new(&given);
    let mut file = Map::new();
    if let Some(config_path) = config_path {
        let config_file = locate(&config_path, "train_config.json")?;
        file = read_object(&config_file)?;
        settings.load_extras(&config_file.with_file_name("mtdit.json"))?;
        settings.config_file = Some(config_file);
    }
    if let Some(policy) = path("policy.path") {
        if last(&given, "policy.type").is_some() {
            return Err(ConfigError::TypeAndPath);
        }
        file.shift_remove("policy");
        settings.load_policy(&policy)?;
    } else if let Some(Value::Object(policy)) = file.get_mut("policy")
        && let Some(Value::String(path)) = policy.shift_remove("path")
    {
        settings.load_policy(Path::new(&path))?;
    }
    if let Some(config_file) = settings.config_file.clone() {
        settings.load(&config_file, "", Value::Object(file))?;
    }
    settings.apply(given);
    settings.settle()
}

/// The last value of one flag, before anything else is read: for a caller that first has to fetch what it names.
pub fn value_of<'a>(args: &'a [String], name: &str) -> Option<&'a str> {
    let mut found = None;
    for (index, arg) in args.iter().enumerate() {
        let Some(rest) = arg.strip_prefix("--").and_then(|arg| arg.strip_prefix(name)) else {
            continue;
        };
        let next = args.get(index + 1).filter(|next| !next.starts_with("--"));
        match rest.strip_prefix('=') {
            Some(value) => found = Some(value),
            None if rest.is_empty() => found = next.map(String::as_str).or(found),
            None => {}
        }
    }
    found
}

/// One flag of a command line.
struct Given {
    name: String,
    flag: &'static Flag,
    value: Value,
}

fn read(args: &[String]) -> Result<Vec<Given>, ConfigError> {
    let mut given = Vec::new();
    let mut args = args.iter().peekable();
    while let Some(arg) = args.next() {
        let Some(body) = arg.strip_prefix("--") else {
            return Err(ConfigError::Positional(arg.clone()));
        };
        let (name, text) = match body.split_once('=') {
            Some((name, text)) => (name, Some(text)),
            None => {
                let next = args.next_if(|next| !next.starts_with("--"));
                (body, next.map(String::as_str))
            }
        };
        let name = name.replace('-', "_");
        let flag = lookup(&name)?;
        let value = match (text, flag.kind) {
            (Some(text), kind) => kind.read(text).ok_or_else(|| ConfigError::Value {
                flag: name.clone(),
                value: text.to_owned(),
                expected: kind.expected(),
            })?,
            (None, Kind::Switch) => Value::Bool(true),
            (None, kind) => {
                return Err(ConfigError::MissingValue { flag: name, expected: kind.expected() });
            }
        };
        given.push(Given { name, flag, value });
    }
    Ok(given)
}

fn last<'a>(given: &'a [Given], name: &str) -> Option<&'a Value> {
    let found = given.iter().rfind(|given| given.name == name);
    found.map(|given| &given.value)
}

/// The row of a flag, or the row of the subtree that it belongs to.
fn lookup(name: &str) -> Result<&'static Flag, ConfigError> {
    let exact = flags().find(|flag| flag.name == name);
    let found = exact.or_else(|| flags().find(|flag| is_about(flag, name)));
    found.ok_or_else(|| ConfigError::UnknownFlag {
        flag: name.to_owned(),
        hint: nearest(name).map_or_else(String::new, |near| format!(" (did you mean --{near}?)")),
    })
}

/// Whether a name is the flag's own, or one within a subtree that has no rows.
fn is_about(flag: &Flag, name: &str) -> bool {
    match name.strip_prefix(flag.name) {
        Some("") => true,
        Some(rest) => matches!(flag.kind, Kind::Anything) && rest.starts_with('.'),
        None => false,
    }
}

/// The flag that was probably meant: one whose last word is the same, or a name a few letters away.
fn nearest(name: &str) -> Option<&'static str> {
    let tail = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let word = tail(name);
    let ending = format!("_{word}");
    let distance = |flag: &&Flag| {
        let known = tail(flag.name);
        if known == word || known.ends_with(&ending) { 1 } else { edits(name, flag.name).min(edits(&word, &known) + 1) }
    };
    let known = flags().filter(|flag| flag.treatment == Treatment::Used);
    let flag = known.min_by_key(distance)?;
    (distance(&flag) <= (word.len() / 3).max(2)).then_some(flag.name)
}

/// Letters to insert, remove or replace to get from one word to the other.
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in to.chars().enumerate() {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[row.len() - 1]
}
