//! A finished run as files: the JSON that `mtdit predict` writes, with every step of the horizon beside it, and a table.

use std::fmt::Write;

use serde::Serialize;

use crate::protocol::Timings;
use crate::record::Record;

#[derive(Serialize)]
struct Answer<'a> {
    /// `[n_action_steps][action_dim]`: the executed steps of the first chunk.
    chunk: &'a [Vec<f32>],
    action_names: &'a [String],
    /// `[samples][n_action_steps][action_dim]`.
    samples: Vec<&'a [Vec<f32>]>,
    /// `[samples][horizon][action_dim]`: all steps of every chunk.
    horizon: &'a [Vec<Vec<f32>>],
    task: &'a str,
    states: &'a [Vec<f32>],
    checkpoint: &'a str,
    sampler: &'a str,
    steps: usize,
    spacing: &'a str,
    seed: u64,
    device: &'a str,
    timings_ms: Stages<'a>,
}

/// The stages as `mtdit predict` names them.
#[derive(Serialize)]
struct Stages<'a> {
    preprocess: f64,
    vision: f64,
    text: f64,
    conditioning: f64,
    denoise: f64,
    denoise_steps: &'a [f64],
    total: f64,
}

impl<'a> Stages<'a> {
    fn of(timings: &'a Timings) -> Self {
        Self {
            preprocess: timings.preprocess,
            vision: timings.vision,
            text: timings.text,
            conditioning: timings.conditioning,
            denoise: timings.denoise.iter().sum(),
            denoise_steps: &timings.denoise,
            total: timings.total,
        }
    }
}

/// The run as JSON; `None` before it is over.
pub fn json(record: &Record) -> Option<String> {
    let prediction = record.prediction.as_ref()?;
    let executed = record.shape.executed();
    let samples: Vec<&[Vec<f32>]> =
        prediction.samples.iter().map(|actions| actions.get(executed.clone()).unwrap_or_default()).collect();
    let asked = &record.asked;
    let answer = Answer {
        chunk: samples.first().copied().unwrap_or_default(),
        action_names: &record.shape.names,
        samples,
        horizon: &prediction.samples,
        task: &asked.task,
        states: &asked.states,
        checkpoint: &record.checkpoint,
        sampler: &asked.sampler,
        steps: asked.steps,
        spacing: if asked.trailing { "trailing" } else { "leading" },
        seed: asked.seed,
        device: &record.device,
        timings_ms: Stages::of(&prediction.timings),
    };
    serde_json::to_string_pretty(&answer).ok()
}

/// The run as a table, one row per chunk and step; `None` before it is over.
pub fn csv(record: &Record) -> Option<String> {
    let prediction = record.prediction.as_ref()?;
    let executed = record.shape.executed();
    let mut text = "sample,step,executed".to_owned();
    for name in &record.shape.names {
        text.push(',');
        text.push_str(&field(name));
    }
    text.push('\n');
    for (sample, actions) in prediction.samples.iter().enumerate() {
        for (step, row) in actions.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{sample},{step},{}", u8::from(executed.contains(&step)));
            for value in row {
                let _ = write!(text, ",{value}");
            }
            text.push('\n');
        }
    }
    Some(text)
}

/// A field of a table, quoted where it has to be.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::examples::{chunk, record};

    #[test]
    fn json_has_the_executed_steps_and_all_of_them() {
        let text = json(&record()).expect("the run is over");
        let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        let expected = serde_json::to_value(&chunk(0.0)[1..3]).expect("numbers");
        assert_eq!(value["chunk"], expected, "the executed steps");
        assert_eq!(value["samples"].as_array().map(Vec::len), Some(2), "both chunks");
        assert_eq!(value["horizon"][1].as_array().map(Vec::len), Some(4), "the whole horizon");
        assert_eq!(value["spacing"], "leading", "spacing in words");
        assert_eq!(value["timings_ms"]["denoise"], 5.0, "the sum of the steps");
        assert_eq!(value["action_names"][1], "grip, closed", "names");
    }

    #[test]
    fn a_table_quotes_what_has_a_comma() {
        let text = csv(&record()).expect("the run is over");
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("sample,step,executed,x,\"grip, closed\""), "names");
        assert_eq!(lines.next(), Some("0,0,0,0,0"), "the first step is not executed");
        assert_eq!(lines.next(), Some("0,1,1,0.25,0"), "the second is");
        assert_eq!(text.lines().count(), 9, "a row per chunk and step");
    }

    #[test]
    fn a_run_that_is_not_over_has_no_answer() {
        let mut record = record();
        record.prediction = None;
        assert_eq!((json(&record), csv(&record)), (None, None), "nothing to download");
    }
}
