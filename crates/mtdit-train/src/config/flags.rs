//! The command line of `mtdit train`, read as `lerobot-train` reads its own.
//!
//! Later sources win: the defaults, the policy that `--policy.path` names, the file that `--config_path` names, the flags.
//! All of them are typed against the table in `defaults.rs`, so a number in a file and a number on the command line
//! end up the same. What `LeRobot` derives is derived here too: the optimizer from the policy's preset, the number of
//! frames that start no sample, the checkpoint that a resumed run continues.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{self, Path, PathBuf};

use serde_json::{Map, Value};

use super::defaults::{Flag, Home, Kind, Treatment, flags};
use super::{ConfigError, EXTRAS_KEY, Extras, TrainConfig};

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
    let found = flags().find(|flag| is_about(flag, name));
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

/// The two trees while they are being filled.
struct Settings {
    lerobot: Map<String, Value>,
    ours: Map<String, Value>,
    config_file: Option<PathBuf>,
    has_saved_extras: bool,
    explicit: BTreeSet<String>,
    notes: Vec<String>,
}

impl Settings {
    fn new(given: &[Given]) -> Self {
        let mut settings = Self {
            lerobot: Map::new(),
            ours: Map::new(),
            config_file: None,
            has_saved_extras: false,
            explicit: given.iter().map(|given| given.name.clone()).collect(),
            notes: Vec::new(),
        };
        for flag in flags() {
            settings.store(flag, flag.name, flag.default_value());
        }
        settings
    }

    fn store(&mut self, flag: &Flag, name: &str, value: Value) {
        match flag.home {
            Home::LeRobot => insert(&mut self.lerobot, name, value),
            Home::Ours(path) => insert(&mut self.ours, path, value),
            Home::Command => {}
        }
    }

    /// Takes over a file, or one part of it, and notes what it does not know.
    fn load(&mut self, file: &Path, name: &str, value: Value) -> Result<(), ConfigError> {
        let mut unknown = Vec::new();
        self.overlay(file, name, value, &mut unknown)?;
        if !unknown.is_empty() {
            let (unknown, file) = (unknown.join(", "), file.display());
            self.notes.push(format!("settings that this version does not know are ignored: {unknown}, in {file}"));
        }
        Ok(())
    }

    fn overlay(&mut self, file: &Path, name: &str, value: Value, unknown: &mut Vec<String>) -> Result<(), ConfigError> {
        let section = if name.is_empty() { String::new() } else { format!("{name}.") };
        let row = flags().find(|flag| flag.name == name && !matches!(flag.home, Home::Command));
        match (row, value) {
            (Some(flag), value) => {
                let value = accepted(flag, name, value, file)?;
                self.store(flag, name, value);
            }
            (None, Value::Object(fields)) if flags().any(|flag| flag.name.starts_with(&section)) => {
                for (key, value) in fields {
                    self.overlay(file, &format!("{section}{key}"), value, unknown)?;
                }
            }
            (None, Value::Null) => {}
            (None, _) => unknown.push(name.to_owned()),
        }
        Ok(())
    }

    fn load_policy(&mut self, path: &Path) -> Result<(), ConfigError> {
        let file = locate(path, "config.json")?;
        let fields = read_object(&file)?;
        self.load(&file, "policy", Value::Object(fields))?;
        let folder = parent(&file).to_string_lossy().into_owned();
        self.put("policy.pretrained_path", Value::from(folder));
        self.put("policy.push_to_hub", Value::Bool(false));
        Ok(())
    }

    /// Takes over what only mtdit knows from the file beside `train_config.json`, if there is one.
    fn load_extras(&mut self, file: &Path) -> Result<(), ConfigError> {
        if !file.is_file() {
            return Ok(());
        }
        let Some(Value::Object(saved)) = read_object(file)?.shift_remove(EXTRAS_KEY) else {
            return Ok(());
        };
        self.has_saved_extras = true;
        for flag in flags() {
            let Home::Ours(path) = flag.home else {
                continue;
            };
            let value = get(&saved, path);
            if !value.is_null() {
                let value = accepted(flag, path, value.clone(), file)?;
                insert(&mut self.ours, path, value);
            }
        }
        Ok(())
    }

    /// Takes over the command line.
    fn apply(&mut self, given: Vec<Given>) {
        let mut ignored: Vec<(&str, Vec<String>)> = Vec::new();
        for Given { name, flag, value } in given {
            self.store(flag, &name, value);
            if flag.treatment == Treatment::Ignored {
                let name = format!("--{name}");
                match ignored.iter_mut().find(|(reason, _)| *reason == flag.meaning) {
                    Some((_, names)) => names.push(name),
                    None => ignored.push((flag.meaning, vec![name])),
                }
            }
        }
        let notes = ignored.iter().map(|(reason, names)| {
            let be = if names.len() > 1 { "are" } else { "is" };
            format!("{} {be} ignored: {reason}", names.join(", "))
        });
        self.notes.extend(notes);
        if self.explicit.contains("num_workers") {
            self.notes.push("--num_workers counts threads here, not processes".to_owned());
        }
    }

    /// Derives what follows from the settings, and checks the result.
    fn settle(mut self) -> Result<ParsedFlags, ConfigError> {
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

    fn get(&self, name: &str) -> &Value {
        get(&self.lerobot, name)
    }

    fn is_on(&self, name: &str) -> bool {
        *self.get(name) == Value::Bool(true)
    }

    fn put(&mut self, name: &str, value: Value) {
        insert(&mut self.lerobot, name, value);
    }
}

fn accepted(flag: &Flag, key: &str, value: Value, file: &Path) -> Result<Value, ConfigError> {
    let shown = value.to_string();
    flag.kind.accept(value).ok_or_else(|| ConfigError::FileValue {
        key: key.to_owned(),
        value: shown,
        expected: flag.kind.expected(),
        path: file.to_owned(),
    })
}

fn get<'a>(tree: &'a Map<String, Value>, name: &str) -> &'a Value {
    let found = match name.split_once('.') {
        None => tree.get(name),
        Some((head, rest)) => match tree.get(head) {
            Some(Value::Object(child)) => Some(get(child, rest)),
            _ => None,
        },
    };
    found.unwrap_or(&Value::Null)
}

fn insert(tree: &mut Map<String, Value>, name: &str, value: Value) {
    let Some((head, rest)) = name.split_once('.') else {
        tree.insert(name.to_owned(), value);
        return;
    };
    let child = tree.entry(head).or_insert(Value::Null);
    if !child.is_object() {
        *child = Value::Object(Map::new());
    }
    if let Value::Object(child) = child {
        insert(child, rest, value);
    }
}

/// The file called `name` that a path stands for: the file itself, or the one in a folder, a checkpoint or a run.
fn locate(path: &Path, name: &'static str) -> Result<PathBuf, ConfigError> {
    let yaml = |extension: &OsStr| extension == "yaml" || extension == "yml";
    if path.extension().is_some_and(yaml) {
        return Err(ConfigError::Yaml(path.to_owned()));
    }
    let mut path = path.to_owned();
    if path.file_name() == Some(OsStr::new("last")) {
        path = step_of(&path);
    }
    let mut candidates = vec![path.clone(), path.join(name), path.join("pretrained_model").join(name)];
    let step = newest(&path.join("checkpoints")).or_else(|| newest(&path));
    candidates.extend(step.map(|step| step.join("pretrained_model").join(name)));
    let found = candidates.into_iter().find(|file| file.is_file());
    found.ok_or(ConfigError::NotFound { name, path })
}

/// What `checkpoints/last` points at: it is a link, or a text file where links are not to be had.
fn step_of(last: &Path) -> PathBuf {
    let link = fs::read_link(last).ok();
    let text = || fs::read_to_string(last).ok().map(|text| PathBuf::from(text.trim()));
    link.or_else(text).map_or_else(|| last.to_owned(), |step| last.with_file_name(step))
}

/// The checkpoint that `last` names, or the one with the highest step.
fn newest(checkpoints: &Path) -> Option<PathBuf> {
    let last = step_of(&checkpoints.join("last"));
    if last.is_dir() {
        return Some(last);
    }
    let entries = fs::read_dir(checkpoints).ok()?.flatten();
    let steps = entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u64>().ok()?, entry.path())));
    steps.max().map(|(_, step)| step)
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn read_object(path: &Path) -> Result<Map<String, Value>, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    serde_json::from_str(&text).map_err(|source| ConfigError::Json { path: path.to_owned(), source })
}

/// Reads a value written as JSON, as a Python tuple, or as an inline YAML list or map.
pub(super) fn literal(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text };
    let value = reader.value()?;
    reader.rest.trim().is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Option<Value> {
        if self.eat('[') {
            self.list(']')
        } else if self.eat('(') {
            self.list(')')
        } else if self.eat('{') {
            self.map()
        } else if self.rest.trim_start().starts_with(['"', '\'']) {
            self.quoted().map(Value::String)
        } else {
            self.word(&[',', ']', ')', '}']).map(scalar)
        }
    }

    fn list(&mut self, close: char) -> Option<Value> {
        let mut items = Vec::new();
        while !self.eat(close) {
            items.push(self.value()?);
            if !self.eat(',') {
                return self.eat(close).then_some(Value::Array(items));
            }
        }
        Some(Value::Array(items))
    }

    fn map(&mut self) -> Option<Value> {
        let mut fields = Map::new();
        while !self.eat('}') {
            let quoted = self.rest.trim_start().starts_with(['"', '\'']);
            let key = if quoted { self.quoted()? } else { self.word(&[':', ',', '}'])?.to_owned() };
            if !self.eat(':') {
                return None;
            }
            let value = self.value()?;
            fields.insert(key, value);
            if !self.eat(',') {
                return self.eat('}').then_some(Value::Object(fields));
            }
        }
        Some(Value::Object(fields))
    }

    fn eat(&mut self, symbol: char) -> bool {
        let rest = self.rest.trim_start().strip_prefix(symbol);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A text between quotes; the double ones may escape as in JSON.
    fn quoted(&mut self) -> Option<String> {
        let text = self.rest.trim_start();
        let quote = text.chars().next()?;
        let mut escaped = false;
        let end = text.char_indices().skip(1).find(|(_, letter)| {
            let ends = *letter == quote && !escaped;
            escaped = *letter == '\\' && quote == '"' && !escaped;
            ends
        })?;
        let (inside, rest) = text.split_at(end.0 + 1);
        self.rest = rest;
        if quote == '"' { serde_json::from_str(inside).ok() } else { Some(inside[1..inside.len() - 1].to_owned()) }
    }

    /// A word without quotes, up to one of these symbols.
    fn word(&mut self, stops: &[char]) -> Option<&'a str> {
        let end = self.rest.find(stops).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(word.trim()).filter(|word| !word.is_empty())
    }
}

fn scalar(word: &str) -> Value {
    let digits = word.replace('_', "");
    let numeric = digits.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    match word {
        "null" | "Null" | "None" | "~" => Value::Null,
        "true" | "True" => Value::Bool(true),
        "false" | "False" => Value::Bool(false),
        _ if !numeric => Value::from(word),
        _ => match (digits.parse::<i64>(), digits.parse::<f64>()) {
            (Ok(whole), _) => Value::from(whole),
            (_, Ok(float)) if float.is_finite() => Value::from(float),
            _ => Value::from(word),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process;

    use serde_json::json;

    use super::super::{Crop, Precision, VisionInit};
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
        expect("--env.type=pusht", &["--env.type", "--eval_steps"]);
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
    fn values_are_read_as_json_python_or_yaml() {
        let cases = [
            ("[1, 2.5, true]", json!([1, 2.5, true])),
            ("(224,)", json!([224])),
            ("[]", json!([])),
            ("{a: b, 'c': [1], \"d\": {e: None}}", json!({"a": "b", "c": [1], "d": {"e": null}})),
            (r#"["say \"no\"", it's]"#, json!(["say \"no\"", "it's"])),
            ("1_000", json!(1000)),
            ("2026-11-20", json!("2026-11-20")),
            ("C:\\data", json!("C:\\data")),
        ];
        for (text, expected) in cases {
            assert_eq!(literal(text), Some(expected), "{text}");
        }
        for text in ["", "[1", "1,2", "{a}", "[1] 2", "\"open"] {
            assert_eq!(literal(text), None, "{text}");
        }
    }

    #[test]
    fn one_value_can_be_looked_up_beforehand() {
        let args = ["--policy.path", "a/b", "--policy.paths=x", "--policy.path=c"].map(str::to_owned);
        assert_eq!(value_of(&args, "policy.path"), Some("c"));
        assert_eq!(value_of(&args[..2], "policy.path"), Some("a/b"));
        assert_eq!(value_of(&args, "config_path"), None);
    }
}
