//! The two trees of settings, and the files and flags that fill them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::Given;
use super::locate::{locate, parent, read_object};
use crate::config::defaults::{Flag, Home, Treatment, flags};
use crate::config::{ConfigError, EXTRAS_KEY};

/// The two trees while they are being filled.
pub(super) struct Settings {
    pub(super) lerobot: Map<String, Value>,
    pub(super) ours: Map<String, Value>,
    pub(super) config_file: Option<PathBuf>,
    pub(super) has_saved_extras: bool,
    pub(super) explicit: BTreeSet<String>,
    pub(super) notes: Vec<String>,
}

impl Settings {
    pub(super) fn new(given: &[Given]) -> Self {
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
    pub(super) fn load(&mut self, file: &Path, name: &str, value: Value) -> Result<(), ConfigError> {
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

    pub(super) fn load_policy(&mut self, path: &Path) -> Result<(), ConfigError> {
        let file = locate(path, "config.json")?;
        let fields = read_object(&file)?;
        self.load(&file, "policy", Value::Object(fields))?;
        let folder = parent(&file).to_string_lossy().into_owned();
        self.put("policy.pretrained_path", Value::from(folder));
        self.put("policy.push_to_hub", Value::Bool(false));
        Ok(())
    }

    /// Takes over what only mtdit knows from the file beside `train_config.json`, if there is one.
    pub(super) fn load_extras(&mut self, file: &Path) -> Result<(), ConfigError> {
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
    pub(super) fn apply(&mut self, given: Vec<Given>) {
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

    pub(super) fn get(&self, name: &str) -> &Value {
        get(&self.lerobot, name)
    }

    pub(super) fn is_on(&self, name: &str) -> bool {
        *self.get(name) == Value::Bool(true)
    }

    pub(super) fn put(&mut self, name: &str, value: Value) {
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

pub(super) fn insert(tree: &mut Map<String, Value>, name: &str, value: Value) {
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
