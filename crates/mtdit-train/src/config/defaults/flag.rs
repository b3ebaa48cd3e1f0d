//! A row of the table: one setting.

use serde_json::Value;

use super::kind::Kind::{self, Nullable, Text};

/// Where a setting is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Home {
    /// In `train_config.json`, under the flag's own name.
    LeRobot,
    /// In `mtdit.json`, under this name.
    Ours(&'static str),
    /// Nowhere: it says which files to read.
    Command,
}

/// What happens with a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// It does what its meaning says.
    Used,
    /// It is kept for `LeRobot` and does nothing here; its meaning is the reason.
    Ignored,
    /// It may only keep its default; its meaning is the reason.
    Refused,
}

/// One setting.
#[derive(Debug)]
pub(crate) struct Flag {
    /// The dotted name without the leading dashes.
    pub(crate) name: &'static str,
    /// What its value may be.
    pub(crate) kind: Kind,
    /// Its default, as JSON.
    pub(crate) default: &'static str,
    /// Where it is kept.
    pub(crate) home: Home,
    /// What happens with it.
    pub(crate) treatment: Treatment,
    /// One line for the help text.
    pub(crate) meaning: &'static str,
}

impl Flag {
    /// The default as a value.
    pub(crate) fn default_value(&self) -> Value {
        serde_json::from_str(self.default).expect("every default in the table is JSON")
    }
}

pub(super) const fn used(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Flag {
    Flag { name, kind, default, home: Home::LeRobot, treatment: Treatment::Used, meaning }
}

pub(super) const fn ignored(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Flag {
    let mut flag = used(name, kind, default, meaning);
    flag.treatment = Treatment::Ignored;
    flag
}

pub(super) const fn refused(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Flag {
    let mut flag = used(name, kind, default, meaning);
    flag.treatment = Treatment::Refused;
    flag
}

/// A setting of ours. The place it is kept under differs from its name for `policy.*` flags and for second names.
pub(super) const fn ours(
    name: &'static str,
    path: &'static str,
    kind: Kind,
    default: &'static str,
    meaning: &'static str,
) -> Flag {
    let mut flag = used(name, kind, default, meaning);
    flag.home = Home::Ours(path);
    flag
}

pub(super) const fn command(name: &'static str, meaning: &'static str) -> Flag {
    let mut flag = used(name, Nullable(&Text), "null", meaning);
    flag.home = Home::Command;
    flag
}
