//! The table for a terminal: a block for every number of cameras and of observations at once, a line for everything measured.

use std::iter;

use super::row::{Row, Stage, Theirs, Unit, What};

/// The table, without a line's end.
pub(super) fn table(rows: &[Row]) -> String {
    let columns = Columns {
        unit: rows.first().map_or(Unit::Milliseconds, |row| row.unit),
        lerobot: rows.iter().any(|row| row.lerobot.is_some()),
        compiled: rows.iter().any(|row| row.lerobot_compiled.is_some()),
    };
    let lines: Vec<Vec<String>> =
        iter::once(columns.headers()).chain(rows.iter().map(|row| columns.cells(row))).collect();
    let widths: Vec<usize> = (0..lines[0].len())
        .map(|column| lines.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0))
        .collect();
    let aligned = |cells: &Vec<String>| {
        let cells = cells.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };

    let mut text = vec![aligned(&lines[0])];
    let mut block = None;
    for (row, cells) in rows.iter().zip(&lines[1..]) {
        let title = title(&row.what);
        if block.as_ref() != Some(&title) {
            text.extend([String::new(), title.clone()]);
            block = Some(title);
        }
        text.push(aligned(cells));
    }
    let notes = columns.notes();
    if !notes.is_empty() {
        text.push(String::new());
        text.extend(notes.into_iter().map(str::to_owned));
    }
    text.join("\n")
}

/// What the numbers count, and which comparisons there are.
#[derive(Clone, Copy)]
struct Columns {
    /// Of the rows that do not name theirs.
    unit: Unit,
    lerobot: bool,
    compiled: bool,
}

impl Columns {
    fn headers(self) -> Vec<String> {
        let mut headers = vec![self.unit.name(), "p50", "p95", "p99", "n"];
        if self.lerobot {
            headers.extend(["LeRobot", "ratio"]);
        }
        if self.compiled {
            headers.extend(["compiled", "ratio"]);
        }
        headers.into_iter().map(str::to_owned).collect()
    }

    fn cells(self, row: &Row) -> Vec<String> {
        let ours = &row.ours;
        let label = if row.unit == self.unit { label(row) } else { format!("{}, {}", label(row), row.unit.name()) };
        let mut cells = vec![label, digits(ours.p50), digits(ours.p95), digits(ours.p99), ours.n.to_string()];
        let beside = |theirs: &Option<Theirs>| match theirs {
            Some(theirs) => [digits(theirs.times.p50), digits(theirs.ratio)],
            None => [String::new(), String::new()],
        };
        if self.lerobot {
            cells.extend(beside(&row.lerobot));
        }
        if self.compiled {
            cells.extend(beside(&row.lerobot_compiled));
        }
        cells
    }

    /// How the numbers are read. Rates and what is compared with them fill a table of their own.
    fn notes(self) -> Vec<&'static str> {
        let is_rate = self.unit == Unit::SamplesPerSecond;
        let rates = is_rate.then_some("samples per second: more is better, p95 and p99 are the slow end");
        let ratio = if is_rate {
            "ratio: our median as a share of LeRobot's; more is better, 2.00 is twice as fast as LeRobot"
        } else {
            "ratio: our median as a share of LeRobot's; less is better"
        };
        rates.into_iter().chain(self.lerobot.then_some(ratio)).collect()
    }
}

/// `2 cameras`.
pub(super) fn cameras(count: usize) -> String {
    match count {
        0 => "no camera".to_owned(),
        1 => "1 camera".to_owned(),
        _ => format!("{count} cameras"),
    }
}

/// What a block has in common.
fn title(what: &What) -> String {
    let cameras = cameras(what.cameras);
    what.batch.map_or_else(|| cameras.clone(), |batch| format!("{cameras}, batch {batch}"))
}

fn label(row: &Row) -> String {
    let sampler = row.what.sampler.as_deref().unwrap_or_default();
    match row.what.stage {
        Stage::Loading => "loading".to_owned(),
        Stage::PeakMemory => "peak memory of loading".to_owned(),
        Stage::Preprocess => "preprocess".to_owned(),
        Stage::Vision => "vision, all frames".to_owned(),
        Stage::Text => "text".to_owned(),
        Stage::Conditioning => "conditioning, once per chunk".to_owned(),
        Stage::DenoisingStep => "denoising step".to_owned(),
        Stage::Postprocess => "postprocess".to_owned(),
        Stage::ChunkAllNew => format!("{sampler}, everything new"),
        Stage::ChunkNewestNew => format!("{sampler}, newest frames new"),
        Stage::ChunkEncoded => format!("{sampler}, observation encoded"),
        Stage::TrainingStep => format!("training step, {} per second", digits(1e3 / row.ours.p50)),
        Stage::SamplesCold => "samples, cold".to_owned(),
        Stage::Decoding => "decoding every frame once".to_owned(),
        Stage::SamplesWarm => "samples, warm cache".to_owned(),
        Stage::SamplesDecoded => "samples, decoded every time".to_owned(),
    }
}

/// A positive number with about three digits, never in powers of ten: columns are compared by their length.
fn digits(value: f64) -> String {
    let decimals = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else if value >= 0.1 {
        2
    } else {
        4
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::{cameras, digits, table};
    use crate::bench::row::{Row, Stage, Theirs, What};
    use crate::percentiles::Percentiles;

    fn row(stage: Stage, sampler: Option<&str>, batch: Option<usize>, milliseconds: f64) -> Row {
        let what = What { stage, sampler: sampler.map(str::to_owned), cameras: 2, batch };
        Row::new(what, Percentiles::of(vec![milliseconds]))
    }

    fn theirs(milliseconds: f64, ratio: f64) -> Option<Theirs> {
        Some(Theirs { times: Percentiles::of(vec![milliseconds]), ratio })
    }

    #[test]
    fn every_batch_is_a_block() {
        let rows = [
            row(Stage::Loading, None, None, 312.4),
            row(Stage::Vision, None, Some(1), 636.0),
            row(Stage::Text, None, Some(1), 8.25),
            row(Stage::ChunkAllNew, Some("ddim-10"), Some(8), 12345.0),
            row(Stage::TrainingStep, None, Some(32), 400.0),
        ];
        let expected = "\
milliseconds                      p50    p95    p99  n

2 cameras
loading                           312    312    312  1

2 cameras, batch 1
vision, all frames                636    636    636  1
text                             8.25   8.25   8.25  1

2 cameras, batch 8
ddim-10, everything new         12345  12345  12345  1

2 cameras, batch 32
training step, 2.50 per second    400    400    400  1";
        assert_eq!(table(&rows), expected);
    }

    #[test]
    fn a_comparison_has_its_own_columns_within_a_hundred_letters() {
        let mut chunk = row(Stage::ChunkEncoded, Some("midpoint-1000"), Some(1), 123_456.0);
        chunk.lerobot = theirs(234_567.0, 0.5263);
        chunk.lerobot_compiled = theirs(100_000.0, 1.234);
        let alone = row(Stage::Conditioning, None, Some(1), 9.0);
        let table = table(&[chunk, alone]);
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0][5..], ["LeRobot", "ratio", "compiled", "ratio"], "{table}");
        assert_eq!(lines[3][3..], ["123456", "123456", "123456", "1", "234567", "0.53", "100000", "1.23"], "{table}");
        assert_eq!(lines[4].last(), Some(&"1"), "nothing stands where nothing was compared:\n{table}");
        assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
        assert!(table.ends_with("ratio: our median as a share of LeRobot's; less is better"), "{table}");
    }

    #[test]
    fn of_samples_per_second_more_is_better() {
        let mut cold = row(Stage::SamplesCold, None, Some(32), 123_456.0);
        cold.lerobot = theirs(61_728.0, 2.0);
        let table = table(&[cold, row(Stage::Decoding, None, Some(32), 2500.0)]);
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[0].starts_with("samples per second  "), "{table}");
        assert!(lines[3].starts_with("samples, cold  ") && lines[3].ends_with(" 61728   2.00"), "{table}");
        assert!(lines[4].starts_with("decoding every frame once, milliseconds  "), "its own unit:\n{table}");
        assert!(table.ends_with("more is better, 2.00 is twice as fast as LeRobot"), "{table}");
        assert!(!table.contains("less is better"), "{table}");
        assert!(lines.iter().all(|line| line.chars().count() <= 100), "{table}");
    }

    #[test]
    fn what_counts_something_else_says_so() {
        let table = table(&[row(Stage::Loading, None, None, 1.0), row(Stage::PeakMemory, None, None, 2.0)]);
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[0].starts_with("milliseconds "), "{table}");
        assert!(lines[3].starts_with("loading  ") && lines[4].starts_with("peak memory of loading, MiB  "), "{table}");
    }

    #[test]
    fn numbers_have_as_many_digits_as_say_something() {
        let cases = [(12345.6, "12346"), (99.96, "100.0"), (9.876, "9.88"), (0.1, "0.10"), (0.0123, "0.0123")];
        for (number, expected) in cases {
            assert_eq!(digits(number), expected, "{number}");
        }
        assert_eq!([0, 1, 2].map(cameras), ["no camera", "1 camera", "2 cameras"]);
    }
}
