//! What `mtdit rollout` leaves: a table on the terminal, `rollout.json`, videos, and a page with all of it that asks nothing of the
//! network.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Serialize, Serializer};

use super::score::{FamilyScore, Outcome, Scores};
use super::video::Video;
use crate::plot::{SuccessBar, short, success_plot};
use crate::predict::write;
use crate::report::{card, document, fact_list, figure, picture, table};

/// What was measured, and on what.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    /// Who steered, and how.
    #[serde(serialize_with = "by_name")]
    pub(super) facts: Vec<(&'static str, String)>,
    #[serde(flatten)]
    pub(super) scores: &'a Scores,
    #[serde(skip)]
    pub(super) videos: &'a [Video],
}

fn by_name<S: Serializer>(facts: &[(&'static str, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(facts.iter().map(|(name, fact)| (name, fact)))
}

impl Report<'_> {
    /// Writes everything into a folder.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        for video in self.videos {
            let path = folder.join(file_name(video));
            fs::write(&path, &video.png).with_context(|| format!("writing {}", path.display()))?;
        }
        write(&folder.join("rollout.json"), &serde_json::to_string_pretty(self)?)?;
        write(&folder.join("index.html"), &self.page()?)
    }

    /// The table for a terminal, without a line's end.
    pub(super) fn table(&self) -> String {
        let rows: Vec<Vec<String>> = [headers(self.scores).map(str::to_owned).to_vec()]
            .into_iter()
            .chain(self.scores.families.iter().map(row))
            .chain([total(self.scores)])
            .collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..headers(self.scores).len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
                0 => format!("{cell:<width$}"),
                _ if column + 1 == row.len() => cell.clone(),
                _ => format!("{cell:>width$}"),
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        rows.iter().map(line).chain([String::new(), self.pace()]).collect::<Vec<_>>().join("\n")
    }

    fn pace(&self) -> String {
        let pace = &self.scores.pace;
        format!(
            "{} steps at {} ms, {} chunks at {} ms",
            pace.steps,
            short(pace.ms_per_step),
            pace.chunks,
            short(pace.ms_per_chunk)
        )
    }

    /// The numbers that are looked at first.
    fn cards(&self) -> String {
        let pace = &self.scores.pace;
        let [per_chunk, per_step] = [pace.ms_per_chunk, pace.ms_per_step].map(|time| format!("{} ms", short(time)));
        let episodes = self.scores.episodes.len().to_string();
        let cards = [
            card("success", &percent(self.scores.success), "mean over the families of tasks"),
            card("episodes", &episodes, &format!("{} control steps", pace.steps)),
            card("per chunk", &per_chunk, &format!("{} chunks, sampled in batches", pace.chunks)),
            card("per control step", &per_step, "everything included, episodes side by side"),
        ];
        format!("<div class=\"cards\">{}</div>\n", cards.concat())
    }

    fn page(&self) -> Result<String> {
        let scores = self.scores;
        let mut body = String::from("<h1>Rollout</h1>\n");
        let facts = self.facts.iter().map(|(name, fact)| ((*name).to_owned(), fact.clone()));
        body += &fact_list(&facts.collect::<Vec<_>>());
        body += &self.cards();
        body += "<h2>Success</h2>\n";
        let bar =
            |of: &FamilyScore| SuccessBar { name: of.family.to_owned(), share: of.success, interval: of.interval };
        body += &picture(&success_plot(&scores.families.iter().map(bar).collect::<Vec<_>>())?);
        body += &table(&headers(scores), scores.families.iter().map(row).chain([total(scores)]));
        if !self.videos.is_empty() {
            body += "<h2>Episodes</h2>\n<p class=\"quiet\">In real time, failures first.</p>\n<div class=\"frames\">\n";
            for video in self.videos {
                body += &figure(&caption(video.episode, &scores.episodes[video.episode]), &video.png);
            }
            body += "</div>\n";
        }
        Ok(document("Rollout", &body))
    }
}

/// Titles of the table's columns.
fn headers(scores: &Scores) -> [&'static str; 6] {
    let swapped = scores.families.iter().any(|family| family.did_original.is_some());
    let last = if swapped { "failures (in brackets: did what the scene was laid for)" } else { "failures" };
    ["task", "success", "%", "95% interval", "steps", last]
}

/// A family's line of the table.
fn row(family: &FamilyScore) -> Vec<String> {
    let [low, high] = family.interval.map(percent);
    let mut failures: Vec<String> =
        family.failures.iter().map(|(reason, count)| format!("{count} \u{d7} {reason}")).collect();
    failures.extend(family.did_original.filter(|count| *count > 0).map(|count| format!("({count})")));
    vec![
        family.family.to_owned(),
        format!("{}/{}", family.succeeded, family.episodes),
        percent(family.success),
        format!("{low}..{high}"),
        family.mean_steps.map_or_else(String::new, |steps| format!("{steps:.0}")),
        failures.join(", "),
    ]
}

/// The last line of the table.
fn total(scores: &Scores) -> Vec<String> {
    let succeeded = scores.episodes.iter().filter(|outcome| outcome.succeeded).count();
    vec![
        "mean".to_owned(),
        format!("{succeeded}/{}", scores.episodes.len()),
        percent(scores.success),
        String::new(),
        String::new(),
        String::new(),
    ]
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

fn file_name(video: &Video) -> String {
    format!("episode-{}.png", video.episode)
}

/// What a video shows.
fn caption(number: usize, outcome: &Outcome) -> String {
    let (family, instruction, steps) = (outcome.family(), outcome.instruction(), outcome.steps);
    let end = match &outcome.failure {
        Some(reason) => format!("failed after {steps} steps: {reason}"),
        None => format!("done after {steps} steps"),
    };
    format!("{number}, {family}: \u{201c}{instruction}\u{201d}, {end}")
}

#[cfg(test)]
mod tests {
    use mtdit_tabletop::{PuckColor, Task};

    use super::Report;
    use crate::rollout::score::tests::outcome;
    use crate::rollout::score::{Pace, Scores};
    use crate::rollout::video::videos;

    fn scores() -> Scores {
        let [reach, lift] = [Task::Reach { puck: PuckColor::Red }, Task::Lift { puck: PuckColor::Blue }];
        let episodes = vec![outcome(reach, 3, None), outcome(reach, 4, Some("too <late>")), outcome(lift, 5, None)];
        Scores::of(episodes, Pace { steps: 12, ms_per_step: 1.5, chunks: 3, ms_per_chunk: 5.0 })
    }

    #[test]
    fn the_page_is_complete_and_asks_nothing_of_the_network() {
        let (scores, folder) = (scores(), tempfile::tempdir().expect("a temporary folder"));
        let videos = videos(&scores.episodes, 3).expect("they can be replayed");
        let report = Report { facts: vec![("policy", "<none>".to_owned())], scores: &scores, videos: &videos };
        report.write(folder.path()).expect("a writable folder");

        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("a file of the report");
        let page = read("index.html");
        let parts =
            ["&lt;none&gt;", "too &lt;late&gt;", "75.0%", "1/2", "data:image/png;base64", "pick up the blue puck"];
        for part in parts {
            assert!(page.contains(part), "`{part}` is missing");
        }
        let elsewhere = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!elsewhere.contains("http"), "the page refers to something outside");
        assert!(page.trim_end().ends_with("</html>"), "the page is cut off");
        for name in ["episode-0.png", "episode-1.png", "episode-2.png"] {
            assert!(folder.path().join(name).is_file(), "{name} is missing");
        }

        let json: serde_json::Value = serde_json::from_str(&read("rollout.json")).expect("it is JSON");
        assert_eq!(json["facts"]["policy"], "<none>");
        assert_eq!(json["success"], 0.75);
        assert_eq!(json["families"][0]["mean_steps"], 3.0);
        assert_eq!(json["episodes"][1]["failure"], "too <late>");
    }

    #[test]
    fn the_table_has_a_line_per_family() {
        let scores = scores();
        let table = Report { facts: Vec::new(), scores: &scores, videos: &[] }.table();
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["task", "success", "%", "95%", "interval", "steps", "failures"], "{table}");
        assert_eq!(lines[1][..3], ["reach", "1/2", "50.0%"], "{table}");
        assert_eq!(lines[1][4..], ["3", "1", "\u{d7}", "too", "<late>"], "{table}");
        assert_eq!(lines[3], ["mean", "2/3", "75.0%"], "{table}");
    }
}
