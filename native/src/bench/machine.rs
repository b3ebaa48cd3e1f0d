//! The machine that is measured on: what it is, and whether something else keeps it busy. Only Linux tells all of it.

use std::{env, fs, thread};

/// Threads at work, on average over a minute, below which a machine counts as idle.
const IDLE: f64 = 0.5;

/// Threads that a computation on the processor may use.
pub(super) fn threads() -> usize {
    let asked = env::var("RAYON_NUM_THREADS").ok().and_then(|number| number.parse::<usize>().ok());
    asked.filter(|number| *number > 0).unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from))
}

/// The processor's name.
pub(super) fn processor() -> Option<String> {
    field(&fs::read_to_string("/proc/cpuinfo").ok()?, "model name").map(str::to_owned)
}

/// Threads that were at work or wanted to be, on average over the last minute.
pub(super) fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// The most memory that this process ever had, in MiB.
pub(super) fn peak_mib() -> Option<f64> {
    peak_of(&fs::read_to_string("/proc/self/status").ok()?)
}

fn peak_of(status: &str) -> Option<f64> {
    let kib: f64 = field(status, "VmHWM")?.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// The value of a line `name: value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// A warning when more ran than this program: the load average before it, and after it with its own threads.
pub(super) fn busy(before: Option<f64>, after: Option<f64>, threads: usize) -> Option<String> {
    let (before, after) = (before?, after?);
    let expected = threads as f64 + IDLE;
    let words = if before > IDLE {
        format!("the load average was {before:.2} before")
    } else if after > expected {
        format!("the load average was {after:.2} after {threads} threads worked")
    } else {
        return None;
    };
    Some(format!("{words}: the machine was busy, these times are too long"))
}

#[cfg(test)]
mod tests {
    use super::{busy, field, peak_of};

    #[test]
    fn files_of_the_kernel_are_read() {
        let status = "Name:\tmtdit\nVmPeak:\t  999999 kB\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\n";
        assert_eq!(peak_of(status), Some(20.0), "MiB");
        assert_eq!(peak_of("Name:\tmtdit\n"), None, "another kernel");
        let processors = "processor\t: 0\nmodel name\t: A: fast one\n\nprocessor\t: 1\nmodel name\t: A: fast one\n";
        assert_eq!(field(processors, "model name"), Some("A: fast one"), "the first");
    }

    #[test]
    fn a_busy_machine_is_told_from_an_idle_one() {
        assert_eq!(busy(Some(0.2), Some(2.1), 2), None, "only ourselves");
        assert_eq!(busy(None, None, 2), None, "nobody knows");
        for (before, after, words) in [(1.4, 2.0, "1.40 before"), (0.0, 3.1, "3.10 after")] {
            let warning = busy(Some(before), Some(after), 2).expect("it is busy");
            assert!(warning.contains(words), "{warning}");
        }
    }
}
