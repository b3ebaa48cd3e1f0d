//! How far the work is: a bar with the time left on a terminal, a line now and then anywhere else.
//!
//! Everything goes to standard error, so that standard output stays free for results.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Without a terminal, the time between two lines.
const BETWEEN_LINES: Duration = Duration::from_secs(15);

/// The progress of one task whose length is known. It can be shared between threads.
#[derive(Debug)]
pub(crate) struct Progress {
    label: String,
    total: u64,
    started: Instant,
    bar: Option<ProgressBar>,
    seen: Mutex<Seen>,
}

/// What has been reported so far.
#[derive(Debug, Default)]
struct Seen {
    /// When the first report came, and how much had been done by then: a resumed run does not start at zero.
    first: Option<(Instant, u64)>,
    last_line: Option<Instant>,
}

impl Progress {
    /// Starts a task of `total` parts.
    pub(crate) fn new(label: &str, total: u64) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let template = "{prefix} {wide_bar:.cyan/black.dim} {human_pos}/{human_len} {eta} left {msg}";
            let style = ProgressStyle::with_template(template);
            let bar = ProgressBar::new(total).with_prefix(label.to_owned());
            bar.set_style(style.expect("the template is well-formed"));
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        Self { label: label.to_owned(), total, started: Instant::now(), bar, seen: Mutex::default() }
    }

    /// Reports that `done` parts are done; `message` says what is interesting right now, or is empty.
    pub(crate) fn set(&self, done: u64, message: &str) {
        let now = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = seen.first.is_none();
        let first = *seen.first.get_or_insert((now, done));
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(message.to_owned());
            if is_first {
                bar.reset_eta();
            }
            return;
        }
        let is_due = seen.last_line.is_none_or(|last| now - last >= BETWEEN_LINES);
        if is_due || done >= self.total {
            seen.last_line = Some(now);
            drop(seen);
            let left = time_left(now - first.0, done.saturating_sub(first.1), self.total.saturating_sub(done));
            self.println(&plain_line(&self.label, done, self.total, left, message));
        }
    }

    /// Writes a line of text, above the bar if there is one.
    pub(crate) fn println(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            // A closed standard error is no reason to stop the work.
            None => writeln!(io::stderr(), "{line}").unwrap_or_default(),
        }
    }

    /// Takes the bar away and says how long the task took.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let took = format_duration(self.started.elapsed());
        writeln!(io::stderr(), "{}: done in {took}", self.label).unwrap_or_default();
    }
}

/// What one log line of training says, with the words of `LeRobot` for its fields.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepLine {
    /// Updates done.
    pub(crate) step: u64,
    /// Samples seen.
    pub(crate) samples: u64,
    /// Episodes seen, by their mean length.
    pub(crate) episodes: f64,
    /// How often all frames have been seen.
    pub(crate) epochs: f64,
    /// Mean loss since the line before.
    pub(crate) loss: f64,
    /// Mean norm of the gradient before clipping.
    pub(crate) grad_norm: f64,
    /// Mean learning rate.
    pub(crate) lr: f64,
    /// Mean seconds of an update.
    pub(crate) update_s: f64,
    /// Mean seconds spent waiting for data.
    pub(crate) data_s: f64,
    /// Samples per second.
    pub(crate) samples_per_s: f64,
    /// Mean seconds of a whole step, if it was measured.
    pub(crate) step_s: Option<f64>,
}

/// A log line as `lerobot-train` writes it, so that tools that read those read these.
pub(crate) fn log_line(line: &StepLine) -> String {
    let mut text = format!(
        "step:{} smpl:{} ep:{} epch:{:.2} loss:{:.3} grdn:{:.3} lr:{} updt_s:{:.3} data_s:{:.3} smp/s:{:.0}",
        format_count(line.step as f64),
        format_count(line.samples as f64),
        format_count(line.episodes),
        line.epochs,
        line.loss,
        line.grad_norm,
        scientific(line.lr),
        line.update_s,
        line.data_s,
        line.samples_per_s,
    );
    if let Some(step_s) = line.step_s {
        text.push_str(&format!(" step_s:{step_s:.3}"));
    }
    text
}

/// A large number in short: 999, 1K, 2M. Without decimals, as in `LeRobot`'s log.
pub(crate) fn format_count(number: f64) -> String {
    let mut number = number;
    for suffix in ["", "K", "M", "B", "T"] {
        if number.abs() < 1000.0 {
            return format!("{number:.0}{suffix}");
        }
        number /= 1000.0;
    }
    format!("{number:.0}Q")
}

/// A duration in its two largest units: 12s, 2m05s, 1h02m, 3d04h.
pub(crate) fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if days > 0 {
        format!("{days}d{:02}h", hours % 24)
    } else if hours > 0 {
        format!("{hours}h{:02}m", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes}m{:02}s", seconds % 60)
    } else {
        format!("{seconds}s")
    }
}

/// How long the remaining parts take, if they take as long as those before.
fn time_left(elapsed: Duration, done: u64, left: u64) -> Option<Duration> {
    let per_part = elapsed.as_secs_f64() / done as f64;
    Duration::try_from_secs_f64(per_part * left as f64).ok()
}

fn plain_line(label: &str, done: u64, total: u64, left: Option<Duration>, message: &str) -> String {
    let percent = done * 100 / total.max(1);
    let mut line = format!("{label}: {done}/{total} ({percent}%)");
    if let Some(left) = left {
        line.push_str(&format!(", {} left", format_duration(left)));
    }
    if !message.is_empty() {
        line.push_str(", ");
        line.push_str(message);
    }
    line
}

/// One decimal and an exponent of at least two digits, as C and Python write it.
fn scientific(number: f64) -> String {
    let text = format!("{number:.1e}");
    match text.split_once('e') {
        Some((digits, exponent)) => match exponent.strip_prefix('-') {
            Some(exponent) => format!("{digits}e-{exponent:0>2}"),
            None => format!("{digits}e+{exponent:0>2}"),
        },
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_is_written_like_lerobot_writes_it() {
        let mut line = StepLine {
            step: 2,
            samples: 8,
            episodes: 0.8,
            epochs: 0.8,
            loss: 0.9214,
            grad_norm: 1.8149,
            lr: 1.7e-5,
            update_s: 2.2769,
            data_s: 0.1271,
            samples_per_s: 1.66,
            step_s: None,
        };
        let expected =
            "step:2 smpl:8 ep:1 epch:0.80 loss:0.921 grdn:1.815 lr:1.7e-05 updt_s:2.277 data_s:0.127 smp/s:2";
        assert_eq!(log_line(&line), expected);
        line.step_s = Some(2.4);
        assert_eq!(log_line(&line), format!("{expected} step_s:2.400"));
    }

    #[test]
    fn counts_are_short() {
        let cases = [(0.0, "0"), (999.0, "999"), (1000.0, "1K"), (20_000.0, "20K"), (2.4e6, "2M"), (3e15, "3Q")];
        for (number, expected) in cases {
            assert_eq!(format_count(number), expected);
        }
    }

    #[test]
    fn durations_have_two_units() {
        let cases = [(12, "12s"), (125, "2m05s"), (3725, "1h02m"), (273_600, "3d04h")];
        for (seconds, expected) in cases {
            assert_eq!(format_duration(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn rates_have_two_digits_in_the_exponent() {
        assert_eq!(scientific(0.0), "0.0e+00");
        assert_eq!(scientific(2e-5), "2.0e-05");
        assert_eq!(scientific(1.5e-123), "1.5e-123");
    }

    #[test]
    fn the_time_left_follows_the_parts_done() {
        assert_eq!(time_left(Duration::from_secs(10), 5, 20), Some(Duration::from_secs(40)));
        assert_eq!(time_left(Duration::from_secs(10), 0, 20), None);
        assert_eq!(time_left(Duration::ZERO, 0, 0), None);
        let line = plain_line("Decoding", 5, 25, Some(Duration::from_secs(40)), "episode 3");
        assert_eq!(line, "Decoding: 5/25 (20%), 40s left, episode 3");
    }
}
