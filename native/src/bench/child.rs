//! Programs that measure in a process of their own, and answer in lines of JSON.

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;

/// Runs a program to its end, and returns what it answered.
///
/// # Errors
/// The last thing that it said when it failed; all of it goes to standard error.
pub(super) fn answers<T: DeserializeOwned>(command: &mut Command) -> Result<Vec<T>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("starting {name}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let (before, last) = last_line(&said);
        if !before.is_empty() {
            eprintln!("{before}");
        }
        bail!("{name} ended with {}: {last}", output.status);
    }
    let answers = String::from_utf8_lossy(&output.stdout);
    let parse = |line: &str| serde_json::from_str(line).with_context(|| format!("{name} answered `{line}`"));
    answers.lines().map(parse).collect()
}

/// A text without its last line, and that line.
fn last_line(text: &str) -> (&str, &str) {
    match text.trim_end().rsplit_once('\n') {
        Some((before, last)) => (before, last.trim()),
        None => ("", text.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::last_line;

    #[test]
    fn the_last_line_says_what_went_wrong() {
        assert_eq!(last_line("Traceback\n  line 1\nKeyError: 'a'\n\n"), ("Traceback\n  line 1", "KeyError: 'a'"));
        assert_eq!(last_line("alone\n"), ("", "alone"));
        assert_eq!(last_line(""), ("", ""), "it said nothing");
    }
}
