//! Samplers with their steps, by name: `ddim-10`.

use mtdit_policy::{SamplerKind, SamplerSettings, TimestepSpacing};

/// What is measured when nothing is asked for: both of `LeRobot`'s defaults, and what ten steps save.
pub(super) const USUAL: [SamplerSettings; 5] = [
    usual(SamplerKind::Ddpm, 100),
    usual(SamplerKind::Ddim, 10),
    usual(SamplerKind::DpmSolver, 10),
    usual(SamplerKind::Euler, 10),
    usual(SamplerKind::Euler, 100),
];

const fn usual(kind: SamplerKind, steps: usize) -> SamplerSettings {
    SamplerSettings { kind, steps, spacing: TimestepSpacing::Leading }
}

/// A sampler from its name.
///
/// # Errors
/// A sentence for the command line.
pub(crate) fn parse(text: &str) -> Result<SamplerSettings, String> {
    let wrong = || format!("write a sampler with its steps, such as ddim-10, not `{text}`");
    let (kind, steps) = text.rsplit_once('-').ok_or_else(wrong)?;
    let steps = steps.parse().map_err(|_not_a_number| wrong())?;
    Ok(usual(kind.parse()?, steps))
}

/// The name of a sampler.
pub(super) fn name(settings: SamplerSettings) -> String {
    format!("{}-{}", settings.kind, settings.steps)
}

#[cfg(test)]
mod tests {
    use super::{USUAL, name, parse};

    #[test]
    fn names_are_read_back() {
        for settings in USUAL {
            assert_eq!(parse(&name(settings)), Ok(settings), "{}", name(settings));
        }
    }

    #[test]
    fn what_is_no_sampler_is_refused() {
        for (text, words) in [
            ("ddim", "such as ddim-10, not `ddim`"),
            ("ddim-", "such as ddim-10, not `ddim-`"),
            ("ddim-ten", "such as ddim-10, not `ddim-ten`"),
            ("-10", "no sampler is called ``"),
            ("heun-10", "no sampler is called `heun`; there are ddpm, ddim, dpm++, euler, midpoint, rk4"),
        ] {
            let refused = parse(text).expect_err(text);
            assert!(refused.contains(words), "{text} is answered: {refused}");
        }
    }
}
