//! What a sentence asks for: the text tower learns to say the family of its task and the two colours that it names.

use anyhow::Result;
use burn::module::Param;
use burn::tensor::{Int, Tensor, TensorData, activation};
use mtdit_policy::checkpoint::keys::{Layout, NamedMapper, is_frozen, map_named};
use mtdit_policy::preprocess::Tokenizer;
use mtdit_tabletop::{Family, PuckColor, Task, ZoneColor};
use mtdit_train::gradients::NamedGradients;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::{Report, Student, ramp, scalar};

const STEPS: usize = 500;
const LEARNING_RATE: f64 = 1e-3;
/// Words that are left out of a sentence, so that none is relied on alone.
const LEFT_OUT: f64 = 0.1;
/// No colour, the pucks', the zones'.
const COLORS: usize = 1 + PuckColor::ALL.len() + ZoneColor::ALL.len();
/// Numbers of the feature that answer: one for each family, for each first and for each second colour.
const ANSWERS: [usize; 3] = [Family::ALL.len(), COLORS, COLORS];

/// A sentence and what it asks for.
struct Sentence {
    tokens: Vec<u32>,
    answers: [usize; 3],
}

pub(super) fn learn(student: &mut Student, seed: u64) -> Result<()> {
    let clip = mtdit_policy::checkpoint::clip::preset(crate::CLIP).map(|clip| clip.text_config);
    let (length, vocabulary) = clip.map_or((77, 49_408), |clip| (clip.max_position_embeddings, clip.vocab_size));
    let tokenizer = Tokenizer::clip(length, vocabulary);
    let sentences = |phrasings: fn(Task) -> Vec<String>| -> Result<Vec<Sentence>> {
        let of = |task: Task| phrasings(task).into_iter().map(move |sentence| (task, sentence));
        let sentences = Task::all().into_iter().flat_map(of);
        sentences.map(|(task, text)| Ok(Sentence { tokens: tokenizer.ids(&text)?, answers: answers(task) })).collect()
    };
    let (known, new) = (sentences(Task::phrasings)?, sentences(Task::held_out_phrasings)?);
    let words = known.iter().flat_map(|sentence| sentence.tokens.iter().copied()).collect();
    student.network = map_named(student.network.clone(), student.keys, &mut Open { words });

    let mut random = StdRng::seed_from_u64(seed);
    let mut report = Report::new(100);
    for step in 0..STEPS {
        let is_late = step > STEPS * 3 / 4;
        let gaps: Vec<Sentence> = known
            .iter()
            .map(|sentence| {
                let last = sentence.tokens.len() - 1;
                let inner = |place: usize| place > 0 && place < last;
                let places = sentence.tokens.iter().enumerate();
                let kept = places.filter(|(place, _)| is_late || !inner(*place) || !random.random_bool(LEFT_OUT));
                Sentence { tokens: kept.map(|(_, token)| *token).collect(), answers: sentence.answers }
            })
            .collect();
        let (loss, _) = examine(student, &gaps);
        report.step(step, scalar(loss.clone()));
        let gradients = NamedGradients::of(&loss, &student.network, student.keys);
        student.update(gradients, LEARNING_RATE * ramp(step, STEPS, 20));
    }
    for (what, sentences) in [("the data's phrasings", &known), ("held-out phrasings", &new)] {
        let (_, right) = examine(student, sentences);
        println!("{what}: {right} of {} understood", sentences.len());
    }
    Ok(())
}

/// The numbers of the answers of a task.
fn answers(task: Task) -> [usize; 3] {
    let family = Family::ALL.iter().position(|family| *family == task.family()).unwrap_or(0);
    let puck = |color: PuckColor| 1 + PuckColor::ALL.iter().position(|known| *known == color).unwrap_or(0);
    let zone = |color: ZoneColor| {
        1 + PuckColor::ALL.len() + ZoneColor::ALL.iter().position(|known| *known == color).unwrap_or(0)
    };
    let (first, second) = match task {
        Task::Reach { puck: a } | Task::Lift { puck: a } => (puck(a), 0),
        Task::Push { puck: a, zone: b } | Task::Place { puck: a, zone: b } => (puck(a), zone(b)),
        Task::Gather { puck: a, to: b } | Task::Separate { puck: a, from: b } => (puck(a), puck(b)),
        Task::Press { first, second } => (puck(first), puck(second)),
        Task::Around { zone: a } => (zone(a), 0),
    };
    [family, first, second]
}

/// The loss over sentences, and how many have every answer right.
fn examine(student: &Student, sentences: &[Sentence]) -> (Tensor<1>, usize) {
    let tokens: Vec<Vec<u32>> = sentences.iter().map(|sentence| sentence.tokens.clone()).collect();
    let features = student.network.observation_encoder.text_encoder.pooled(&tokens); // [sentences, width]
    let device = features.device();
    let mut loss = Tensor::<1>::zeros([1], &device);
    let mut right = vec![true; sentences.len()];
    let mut from = 0;
    for (question, count) in ANSWERS.into_iter().enumerate() {
        let odds = features.clone().narrow(1, from, count);
        from += count;
        let wanted: Vec<i32> = sentences.iter().map(|sentence| small(sentence.answers[question])).collect();
        let said: Vec<i64> = odds.clone().without_autodiff().argmax(1).to_data().iter::<i64>().collect();
        for ((right, said), wanted) in right.iter_mut().zip(said).zip(&wanted) {
            *right &= said == i64::from(*wanted);
        }
        let wanted = Tensor::<2, Int>::from_data(TensorData::new(wanted, [sentences.len(), 1]), &device);
        loss = loss - activation::log_softmax(odds, 1).gather(1, wanted).mean();
    }
    (loss, right.into_iter().filter(|right| *right).count())
}

fn small(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Lets the text tower learn; words that no sentence holds mean nothing.
struct Open {
    words: Vec<u32>,
}

impl NamedMapper for Open {
    fn map<const D: usize>(&mut self, key: &str, _: Layout, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !is_frozen(key) {
            return param;
        }
        if !key.ends_with("token_embedding.weight") {
            return param.set_require_grad(true);
        }
        let (id, value, _) = param.consume();
        let shape = value.dims();
        let mut known = vec![0.0_f32; shape[0]];
        for word in &self.words {
            known[*word as usize] = 1.0;
        }
        let mut rows = [1; D];
        rows[0] = shape[0];
        let known = Tensor::<1>::from_data(TensorData::new(known, [shape[0]]), &value.device()).reshape(rows);
        let value = value.without_autodiff() * known.without_autodiff();
        Param::initialized(id, Tensor::from_inner(value).require_grad())
    }
}
