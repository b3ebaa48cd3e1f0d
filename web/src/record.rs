//! The record of one run: every step of every chunk, for drawing while it goes on and for replaying it afterwards.

use std::ops::Range;

use crate::protocol::{PolicyCard, PredictRequest, Prediction, StepReport};
use crate::scale::Span;

/// One chunk at one point: `[horizon][action_dim]` in robot units.
pub type Actions = Vec<Vec<f32>>;

/// What stays the same from run to run of one checkpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    /// Names of the action's numbers.
    pub names: Vec<String>,
    /// What each of them spans in the dataset, when the checkpoint tells.
    pub ranges: Vec<Option<Span>>,
    /// Actions of a chunk.
    pub horizon: usize,
    /// Position of the first action that is executed.
    pub first_executed: usize,
    /// Actions that are executed.
    pub n_action_steps: usize,
}

impl Shape {
    /// The shape of a policy's chunks.
    pub fn of(card: &PolicyCard) -> Self {
        let range = |low: Option<f32>, high: Option<f32>| Span::of([low?, high?]).filter(|span| span.high > span.low);
        Self {
            names: card.action.iter().map(|dimension| dimension.name.clone()).collect(),
            ranges: card.action.iter().map(|dimension| range(dimension.min, dimension.max)).collect(),
            horizon: card.horizon,
            first_executed: card.first_executed,
            n_action_steps: card.n_action_steps,
        }
    }

    /// Positions of the actions that are executed.
    pub fn executed(&self) -> Range<usize> {
        let begin = self.first_executed.min(self.horizon);
        begin..begin.saturating_add(self.n_action_steps).min(self.horizon)
    }
}

/// One chunk on its way.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sample {
    /// After every evaluation.
    steps: Vec<Actions>,
    /// When it was over.
    last: Option<Actions>,
}

/// A run, from what was asked to what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The shape of its chunks.
    pub shape: Shape,
    /// What was asked.
    pub asked: PredictRequest,
    /// Where the checkpoint came from.
    pub checkpoint: String,
    /// What it was computed on.
    pub device: String,
    /// What came of it, when it is over.
    pub prediction: Option<Prediction>,
    samples: Vec<Sample>,
    /// Evaluations of one chunk; 0 before the first.
    total: usize,
    /// What every number has spanned so far.
    seen: Vec<Option<Span>>,
}

impl Record {
    /// A run that begins.
    pub fn begin(card: &PolicyCard, asked: PredictRequest, device: String) -> Self {
        let samples = usize::try_from(asked.samples).unwrap_or_default();
        Self {
            shape: Shape::of(card),
            asked,
            checkpoint: card.origin.clone(),
            device,
            prediction: None,
            samples: vec![Sample::default(); samples],
            total: 0,
            seen: vec![None; card.action.len()],
        }
    }

    /// Notes an evaluation.
    pub fn step(&mut self, report: StepReport) {
        self.total = report.total;
        self.see(&report.actions);
        if let Some(sample) = self.sample(report.sample) {
            sample.steps.push(report.actions);
        }
    }

    /// Notes a chunk that is over.
    pub fn sampled(&mut self, sample: u32, actions: Actions) {
        self.see(&actions);
        if let Some(sample) = self.sample(sample) {
            sample.last = Some(actions);
        }
    }

    /// Notes the end.
    pub fn finish(&mut self, prediction: Prediction) {
        for (sample, actions) in self.samples.iter_mut().zip(&prediction.samples) {
            sample.last = Some(actions.clone());
        }
        self.prediction = Some(prediction);
    }

    fn sample(&mut self, sample: u32) -> Option<&mut Sample> {
        self.samples.get_mut(usize::try_from(sample).ok()?)
    }

    fn see(&mut self, actions: &[Vec<f32>]) {
        for (dim, seen) in self.seen.iter_mut().enumerate() {
            let span = Span::of(actions.iter().filter_map(|row| row.get(dim).copied()));
            *seen = match (*seen, span) {
                (Some(before), Some(span)) => Some(before.union(span)),
                (before, span) => before.or(span),
            };
        }
    }

    /// How many chunks were asked for.
    pub fn samples(&self) -> usize {
        self.samples.len()
    }

    /// Evaluations of one chunk, as far as is known.
    pub fn total(&self) -> usize {
        self.total
    }

    /// The chunk that is being sampled, and its evaluations so far.
    pub fn newest(&self) -> (usize, usize) {
        let sample = self.samples.iter().rposition(|sample| !sample.steps.is_empty()).unwrap_or_default();
        (sample, self.samples.get(sample).map_or(0, |sample| sample.steps.len()))
    }

    /// A chunk after some evaluations; as it is now when no place is given.
    pub fn at(&self, sample: usize, place: Option<usize>) -> Option<&Actions> {
        let sample = self.samples.get(sample)?;
        match place {
            Some(place) if place < sample.steps.len() => sample.steps.get(place.saturating_sub(1)),
            _ => sample.last.as_ref().or_else(|| sample.steps.last()),
        }
    }

    /// What a plot of one number spans at a place: the dataset's range, or what was seen, and wider only where values leave it.
    pub fn span(&self, dim: usize, place: Option<usize>) -> Span {
        let drawn = (0..self.samples.len()).filter_map(|sample| self.at(sample, place)).flatten();
        let values = Span::of(drawn.filter_map(|row| row.get(dim).copied()));
        let usual = self.shape.ranges.get(dim).copied().flatten().or_else(|| match self.prediction {
            Some(_) => self.last_span(dim),
            None => self.seen.get(dim).copied().flatten(),
        });
        let span = match (usual, values) {
            (Some(usual), Some(values)) => usual.union(values),
            (usual, values) => usual.or(values).unwrap_or(Span { low: -1.0, high: 1.0 }),
        };
        span.roomy()
    }

    fn last_span(&self, dim: usize) -> Option<Span> {
        let last = self.samples.iter().filter_map(|sample| sample.last.as_ref()).flatten();
        Span::of(last.filter_map(|row| row.get(dim).copied()))
    }
}

/// Records for tests of what is made from them.
#[cfg(test)]
pub(crate) mod examples {
    use super::{Actions, Record};
    use crate::protocol::{Dimension, PolicyCard, PredictRequest, Prediction, SelfTest, StepReport, Timings};

    /// A policy with two numbers per action, four actions, of which the second and third are executed.
    pub(crate) fn card() -> PolicyCard {
        let dimension = |name: &str, range: Option<(f32, f32)>| Dimension {
            name: name.to_owned(),
            min: range.map(|(low, _)| low),
            max: range.map(|(_, high)| high),
            mean: None,
        };
        PolicyCard {
            name: "tiny".to_owned(),
            origin: "models/tiny".to_owned(),
            cameras: Vec::new(),
            n_obs_steps: 2,
            horizon: 4,
            first_executed: 1,
            n_action_steps: 2,
            state: Vec::new(),
            action: vec![dimension("x", Some((-1.0, 1.0))), dimension("grip, closed", None)],
            objective: "diffusion".to_owned(),
            samplers: vec!["ddim".to_owned()],
            steps: 2,
            max_steps: 100,
            tasks: Vec::new(),
            parameters: 1,
            bytes: 4,
            from_cache: false,
            sample: None,
            world: None,
            self_test: SelfTest { passed: true, words: String::new(), error: 0.0, tolerance: 1.0 },
            timings: Vec::new(),
            heap: 0,
        }
    }

    /// A chunk whose numbers grow from `base`.
    pub(crate) fn chunk(base: f32) -> Actions {
        [0.0, 0.25, 0.5, 0.75].map(|step| vec![base + step, 10.0 * base]).to_vec()
    }

    /// Two chunks of two evaluations each, finished.
    pub(crate) fn record() -> Record {
        let asked = PredictRequest {
            task: "push".to_owned(),
            states: Vec::new(),
            frames: Vec::new(),
            sampler: "ddim".to_owned(),
            steps: 2,
            trailing: false,
            seed: 7,
            samples: 2,
        };
        let mut record = Record::begin(&card(), asked, "CPU".to_owned());
        for sample in 0..2_u8 {
            for done in 1..=2_u8 {
                let actions = chunk(f32::from(sample) + if done == 1 { 5.0 } else { 0.0 });
                let (sample, done) = (u32::from(sample), usize::from(done));
                record.step(StepReport { sample, done, total: 2, actions, milliseconds: 1.0 });
            }
            record.sampled(u32::from(sample), chunk(f32::from(sample)));
        }
        let timings = Timings { vision: 4.0, denoise: vec![2.0, 3.0], total: 10.0, ..Timings::default() };
        record.finish(Prediction { samples: vec![chunk(0.0), chunk(1.0)], timings, heap: 0 });
        record
    }
}

#[cfg(test)]
mod tests {
    use super::examples::{card, chunk, record};
    use super::*;

    #[test]
    fn every_step_can_be_replayed() {
        let record = record();
        assert_eq!(record.at(0, Some(1)), Some(&chunk(5.0)), "after one evaluation");
        assert_eq!(record.at(1, Some(2)), Some(&chunk(1.0)), "after the last");
        assert_eq!(record.at(1, None), Some(&chunk(1.0)), "as it is now");
        assert_eq!(record.at(2, None), None, "there is no third chunk");
        assert_eq!((record.samples(), record.total(), record.newest()), (2, 2, (1, 2)), "counts");
    }

    #[test]
    fn while_it_goes_on_the_newest_is_shown() {
        let mut record = Record::begin(&card(), record().asked, String::new());
        assert_eq!(record.at(0, None), None, "nothing yet");
        record.step(StepReport { sample: 0, done: 1, total: 3, actions: chunk(2.0), milliseconds: 1.0 });
        assert_eq!(record.at(0, None), Some(&chunk(2.0)), "the first evaluation");
        assert_eq!(record.newest(), (0, 1), "one evaluation");
        record.step(StepReport { sample: 9, done: 1, total: 3, actions: chunk(2.0), milliseconds: 1.0 });
        assert_eq!(record.newest(), (0, 1), "a chunk that nobody asked for is not kept");
    }

    #[test]
    fn the_scale_stays_unless_values_leave_it() {
        let record = record();
        let usual = Span { low: -1.0, high: 1.75 }.roomy();
        assert_eq!(record.span(0, None), usual, "the dataset's range and the chunks");
        assert!(record.span(0, Some(1)).high > 5.0, "noise leaves it");
        assert_eq!(record.span(1, None), Span { low: 0.0, high: 10.0 }.roomy(), "the chunks' own range");
    }

    #[test]
    fn executed_positions_lie_in_the_horizon() {
        let mut shape = Shape::of(&card());
        assert_eq!(shape.executed(), 1..3, "two actions from the second");
        shape.n_action_steps = usize::MAX;
        assert_eq!(shape.executed(), 1..4, "not beyond the horizon");
    }
}
