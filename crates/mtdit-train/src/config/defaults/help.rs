//! The help text of `mtdit train`.

use super::{Flag, Home, SECTIONS, Treatment, flags};

const INTRODUCTION: &str = "\
Train a Multi-Task Diffusion Transformer policy on a LeRobotDataset v3.0.

Usage: mtdit train --dataset.root=FOLDER [--name=value ...]

Examples
  # Train on a dataset folder; checkpoints and metrics go to outputs/kitchen.
  mtdit train --dataset.root=data/kitchen --output_dir=outputs/kitchen --batch_size=64 --steps=30000

  # Continue a run that stopped, or make a finished one longer.
  mtdit train --resume=true --config_path=outputs/kitchen --steps=60000

  # Start from a checkpoint, on other data.
  mtdit train --policy.path=outputs/kitchen/checkpoints/last --dataset.root=data/drawer

Names and meanings are those of lerobot-train 0.6.1. A value follows as --name=value or --name value; a switch alone is
true. Lists are written [0,1,2], pairs (224,224), maps {\"STATE\": \"MIN_MAX\"}, nothing null. Every flag is shown with its
default.
";

/// The help text of `mtdit train`, made from the table that the parser uses.
pub fn help() -> String {
    let mut text = INTRODUCTION.to_owned();
    for (title, flags) in &SECTIONS {
        text.push_str(&format!("\n{title}\n"));
        for flag in *flags {
            if flag.treatment == Treatment::Used {
                text.push_str(&flag.row());
            }
        }
    }
    text.push_str("\nAccepted for the sake of LeRobot's command lines, and ignored\n");
    text.push_str(&reasons(Treatment::Ignored));
    text.push_str("\nNot possible\n");
    text.push_str(&reasons(Treatment::Refused));
    text
}

/// Names that share a reason, and the reason below them.
fn reasons(treatment: Treatment) -> String {
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for flag in flags().filter(|flag| flag.treatment == treatment) {
        let name = format!("--{}", flag.name);
        match groups.iter_mut().find(|(reason, _)| *reason == flag.meaning) {
            Some((_, names)) => names.push(name),
            None => groups.push((flag.meaning, vec![name])),
        }
    }
    let lines = groups.iter().map(|(reason, names)| {
        let names: Vec<_> = names.chunks(4).map(|names| names.join(" ")).collect();
        format!("  {}\n      {reason}\n", names.join("\n  "))
    });
    lines.collect()
}

impl Flag {
    /// The flag's line, or two, in the help text.
    fn row(&self) -> String {
        let left = match self.home {
            Home::Command => format!("--{}", self.name),
            Home::LeRobot | Home::Ours(_) => {
                format!("--{}={}", self.name, self.default.trim_matches('"'))
            }
        };
        let gap = if left.len() > 42 { format!("\n{:<46}", "") } else { " ".repeat(44 - left.len()) };
        format!("  {left}{gap}{}\n", self.meaning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_text_has_every_flag() {
        let help = help();
        for flag in flags() {
            assert!(help.contains(&format!("--{}", flag.name)), "{}", flag.name);
        }
        assert!(help.contains("--steps=100000"));
    }
}
