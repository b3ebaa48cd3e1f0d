//! The page that `mtdit eval` writes: one HTML file with everything in it, which asks nothing of the network.
//!
//! [`EvalReport`] is the measurement, and the same structure is written as JSON beside the page. Numbers are in the units
//! of the dataset's actions, times in milliseconds.

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::percentiles::Percentiles;
use crate::plot::{self, short};

/// What was measured, and on what.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct EvalReport {
    /// The checkpoint folder.
    pub(crate) checkpoint: String,
    /// The dataset's name or folder.
    pub(crate) dataset: String,
    /// Further facts: device, sampler, seed, version.
    pub(crate) facts: Vec<(String, String)>,
    /// Episodes that windows were taken from.
    pub(crate) n_episodes: usize,
    /// Moments at which a chunk was predicted.
    pub(crate) n_windows: usize,
    /// Chunks predicted at each of them.
    pub(crate) n_samples: usize,
    /// Steps of a chunk that are executed.
    pub(crate) n_action_steps: usize,
    /// Names of the action dimensions.
    pub(crate) action_names: Vec<String>,
    /// Mean squared error of every action dimension.
    pub(crate) mse_per_dim: Vec<f64>,
    /// Mean absolute error of every action dimension.
    pub(crate) mae_per_dim: Vec<f64>,
    /// Mean squared error of every step of the chunk.
    pub(crate) mse_per_step: Vec<f64>,
    /// Mean absolute error of every step of the chunk.
    pub(crate) mae_per_step: Vec<f64>,
    /// Always predicting the dataset's mean action.
    pub(crate) mean_action: Baseline,
    /// Standard deviation over the samples of one moment, for every action dimension.
    pub(crate) spread_per_dim: Vec<f64>,
    /// How long predictions took, in milliseconds.
    pub(crate) latency: Percentiles,
    /// Where that time went, stage by stage, in milliseconds.
    pub(crate) stages: Vec<(String, f64)>,
    /// A few moments to look at.
    pub(crate) examples: Vec<Example>,
}

/// The errors of a prediction that needs no policy.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Baseline {
    /// Mean squared error of every action dimension.
    pub(crate) mse_per_dim: Vec<f64>,
    /// Mean absolute error of every action dimension.
    pub(crate) mae_per_dim: Vec<f64>,
    /// Mean absolute error of every step of the chunk.
    pub(crate) mae_per_step: Vec<f64>,
}

/// One moment of one episode.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Example {
    /// Index of the episode.
    pub(crate) episode: usize,
    /// Index of the frame within it.
    pub(crate) frame: usize,
    /// The instruction.
    pub(crate) task: String,
    /// What every camera saw: its name and a PNG.
    #[serde(skip)]
    pub(crate) images: Vec<(String, Vec<u8>)>,
    /// The recorded actions, `[step][dimension]`.
    pub(crate) truth: Vec<Vec<f32>>,
    /// Predicted chunks, `[sample][step][dimension]`.
    pub(crate) samples: Vec<Vec<Vec<f32>>>,
}

/// The page.
pub(crate) fn eval_report(report: &EvalReport) -> Result<String> {
    let mut body = String::from("<h1>Policy evaluation</h1>\n");
    body += &facts(report);
    body += &cards(report);
    body += "<h2>Error per action dimension</h2>\n";
    let baseline = &report.mean_action;
    body += &picture(&plot::dimension_error_plot(&report.action_names, &report.mae_per_dim, &baseline.mae_per_dim)?);
    body += &dimensions(report);
    body += "<h2>Error over the chunk</h2>\n";
    body += &picture(&plot::horizon_error_plot(&report.mae_per_step, &report.mse_per_step, &baseline.mae_per_step)?);
    body += &folded("Every step as a table", &steps(report));
    body += "<h2>Latency</h2>\n";
    body += &picture(&plot::latency_histogram(&report.latency.all)?);
    let stages = report.stages.iter().map(|(name, ms)| vec![name.clone(), short(*ms)]);
    body += &table(&["stage", "milliseconds"], stages);
    if !report.examples.is_empty() {
        body += "<h2>Examples</h2>\n<p class=\"quiet\">Black: the recorded actions. Blue: predicted chunks, the first one strong. \
                 Shaded: the steps that would be executed.</p>\n";
    }
    for example in &report.examples {
        body += &moment(report, example)?;
    }
    Ok(document("Policy evaluation", &body))
}

fn facts(report: &EvalReport) -> String {
    let mut facts =
        vec![("checkpoint".to_owned(), report.checkpoint.clone()), ("dataset".to_owned(), report.dataset.clone())];
    facts.extend(report.facts.iter().cloned());
    fact_list(&facts)
}

/// The numbers that are looked at first.
fn cards(report: &EvalReport) -> String {
    let mae = mean(&report.mae_per_dim);
    let mse = mean(&report.mse_per_dim);
    let against = |name: &str, baseline: &Baseline| {
        let versus = |value: f64, other: f64| format!("{} of {}", percent(value, other), short(other));
        let note = format!("squared: {}", versus(mse, mean(&baseline.mse_per_dim)));
        card(&format!("error against {name}"), &versus(mae, mean(&baseline.mae_per_dim)), &note)
    };
    let samples =
        format!("{} moments of {} episodes, {} samples each", report.n_windows, report.n_episodes, report.n_samples);
    let latency = &report.latency;
    let mut cards = vec![
        card("mean absolute error", &short(mae), &samples),
        card("mean squared error", &short(mse), "mean over dimensions and steps"),
        against("the mean action", &report.mean_action),
    ];
    cards.push(card("spread over samples", &short(mean(&report.spread_per_dim)), "standard deviation at one moment"));
    cards.push(card(
        "latency, median",
        &format!("{} ms", short(latency.p50)),
        &format!("95%: {} ms, 99%: {} ms, {} timed", short(latency.p95), short(latency.p99), latency.n),
    ));
    format!("<div class=\"cards\">{}</div>\n", cards.concat())
}

fn dimensions(report: &EvalReport) -> String {
    let rows = report.action_names.iter().enumerate().map(|(index, name)| {
        vec![
            name.clone(),
            cell(&report.mae_per_dim, index),
            cell(&report.mse_per_dim, index),
            cell(&report.mean_action.mae_per_dim, index),
            cell(&report.spread_per_dim, index),
        ]
    });
    let headers = ["dimension", "mean |error|", "squared error", "mean action", "spread"];
    table(&headers, rows)
}

fn steps(report: &EvalReport) -> String {
    let rows = (0..report.mae_per_step.len()).map(|step| {
        vec![
            step.to_string(),
            cell(&report.mae_per_step, step),
            cell(&report.mse_per_step, step),
            cell(&report.mean_action.mae_per_step, step),
        ]
    });
    table(&["step", "mean |error|", "squared error", "mean action"], rows)
}

fn moment(report: &EvalReport, example: &Example) -> Result<String> {
    let images: String = example.images.iter().map(|(camera, png)| figure(camera, png)).collect();
    let chunks = plot::chunk_plot(&report.action_names, &example.samples, Some(&example.truth), report.n_action_steps)?;
    let (episode, frame, task) = (example.episode, example.frame, escape(&example.task));
    let heading = format!("<h3>Episode {episode}, frame {frame}: {task}</h3>\n");
    Ok(format!("{heading}<div class=\"frames\">{images}</div>\n{}", picture(&chunks)))
}

/// A number that is looked at first.
pub(crate) fn card(label: &str, value: &str, note: &str) -> String {
    let [label, value, note] = [label, value, note].map(escape);
    format!("<div class=\"card\"><span>{label}</span><strong>{value}</strong><span>{note}</span></div>\n")
}

fn cell(values: &[f64], index: usize) -> String {
    values.get(index).map_or_else(String::new, |value| short(*value))
}

fn percent(value: f64, of: f64) -> String {
    if of > 0.0 { format!("{:.0}%", 100.0 * value / of) } else { "?".to_owned() }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// A whole page around a body; light or dark as the reader prefers.
pub(crate) fn document(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

/// Names and values, one below the other.
pub(crate) fn fact_list(facts: &[(String, String)]) -> String {
    let rows = facts.iter().map(|(name, value)| format!("<dt>{}</dt><dd>{}</dd>\n", escape(name), escape(value)));
    format!("<dl>{}</dl>\n", rows.collect::<String>())
}

/// A table whose first column is text and whose others are numbers.
pub(crate) fn table(headers: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>, tag: &str| {
        let cells = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell)));
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let head = line(headers.iter().map(|header| (*header).to_owned()).collect(), "th");
    let rows: String = rows.map(|row| line(row, "td")).collect();
    format!("<div class=\"wide\"><table>\n{head}{rows}</table></div>\n")
}

/// A picture that travels within the page.
pub(crate) fn figure(caption: &str, png: &[u8]) -> String {
    let (caption, data) = (escape(caption), STANDARD.encode(png));
    format!(
        "<figure><img alt=\"{caption}\" src=\"data:image/png;base64,{data}\"><figcaption>{caption}</figcaption></figure>\n"
    )
}

/// A drawing.
pub(crate) fn picture(svg: &str) -> String {
    format!("<div class=\"plot\">{svg}</div>\n")
}

fn folded(title: &str, content: &str) -> String {
    format!("<details><summary>{title}</summary>{content}</details>\n")
}

/// Text that HTML shows as it stands.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1b1f24; --quiet: #5b6570; --paper: #ffffff; --card: #f4f6f8; --rule: #d8dde3; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ec; --quiet: #9aa4ae; --paper: #14171a; --card: #1f2429; --rule: #363d44; }
}
body { margin: 2rem auto; max-width: 960px; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
h1, h2, h3 { line-height: 1.2; }
h2 { margin-top: 2.5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1rem; }
dt, .quiet, .card span, figcaption { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(220px, 1fr)); gap: 0.8rem; margin: 1.5rem 0; }
.card { display: flex; flex-direction: column; padding: 0.8rem 1rem; border-radius: 8px; background: var(--card); font-size: 0.85rem; }
.card strong { font-size: 1.4rem; }
.plot { margin: 1rem 0; padding: 0.5rem; border-radius: 8px; background: #ffffff; border: 1px solid var(--rule); }
.plot svg { display: block; max-width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.9rem; text-align: right; border-bottom: 1px solid var(--rule); }
th:first-child, td:first-child { padding-left: 0; text-align: left; }
.frames { display: flex; flex-wrap: wrap; gap: 0.8rem; }
figure { margin: 0; }
figure img { display: block; max-width: 300px; border-radius: 6px; }
figcaption { font-size: 0.8rem; }
summary { cursor: pointer; margin: 0.5rem 0; }
";

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> EvalReport {
        let baseline =
            Baseline { mse_per_dim: vec![0.4, 0.4], mae_per_dim: vec![0.5, 0.7], mae_per_step: vec![0.6; 4] };
        let chunk = vec![vec![0.1, 0.2]; 4];
        EvalReport {
            checkpoint: "runs/<last>".to_owned(),
            dataset: "local/kitchen".to_owned(),
            n_windows: 12,
            n_samples: 2,
            action_names: vec!["shoulder".to_owned(), "elbow".to_owned()],
            mse_per_dim: vec![0.1, 0.1],
            mae_per_dim: vec![0.2, 0.4],
            mse_per_step: vec![0.1; 4],
            mae_per_step: vec![0.3; 4],
            mean_action: baseline.clone(),
            latency: Percentiles::of(vec![30.0, 35.0, 60.0]),
            stages: vec![("encode".to_owned(), 12.0)],
            examples: vec![Example {
                task: "pick \"it\" up & go".to_owned(),
                images: vec![("top".to_owned(), vec![1, 2, 3])],
                truth: chunk.clone(),
                samples: vec![chunk.clone(), chunk],
                ..Example::default()
            }],
            ..EvalReport::default()
        }
    }

    #[test]
    fn the_page_is_complete_and_asks_nothing_of_the_network() {
        let page = eval_report(&report()).expect("the report is drawn");
        for part in ["runs/&lt;last&gt;", "50% of 0.6", "35 ms", "pick &quot;it&quot; up &amp; go", "AQID"] {
            assert!(page.contains(part), "`{part}` is missing");
        }
        let elsewhere = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!elsewhere.contains("http"), "the page refers to something outside");
        assert_eq!(page.matches("<svg").count(), 4);
        assert!(page.trim_end().ends_with("</html>"), "the page is cut off");
    }

    #[test]
    fn an_empty_report_is_a_page_too() {
        let page = eval_report(&EvalReport::default()).expect("the report is drawn");
        assert!(!page.contains("Examples") && !page.contains("NaN"), "{page}");
    }

    #[test]
    fn the_measurement_is_json_without_pictures() {
        let json = serde_json::to_value(report()).expect("it is JSON");
        assert_eq!(json["latency"]["p50"], 35.0);
        assert!(json["examples"][0].get("images").is_none());
    }
}
