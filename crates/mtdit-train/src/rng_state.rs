//! `rng_state.safetensors`: freshly seeded generators, which `LeRobot` demands before it resumes (contract section 4.6).
//!
//! Our own chance depends on seed and step alone, so we never read this file.

use safetensors::tensor::Dtype;

use crate::state::SavedTensor;

const WORDS: usize = 624;

/// The file's tensors, for a seed.
pub(crate) fn tensors(seed: u64) -> Vec<(String, SavedTensor)> {
    let words = mersenne_words(seed);
    let integers = |values: Vec<i64>| {
        let shape = vec![values.len()];
        SavedTensor::host(Dtype::I64, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    };
    let state: Vec<i64> = words.iter().map(|&word| i64::from(word)).collect();
    let exhausted = i64::try_from(WORDS).unwrap_or(0);
    let python = state.iter().copied().chain([exhausted]).collect();
    let torch = torch_state(seed, &words);
    vec![
        ("py_rng_version".to_owned(), integers(vec![3])),
        ("py_rng_state".to_owned(), integers(python)),
        ("np_rng_state_values".to_owned(), integers(state)),
        ("np_rng_state_index".to_owned(), integers(vec![exhausted])),
        ("np_rng_has_gauss".to_owned(), integers(vec![0])),
        ("np_rng_cached_gaussian".to_owned(), SavedTensor::host(Dtype::F32, vec![1], vec![0; 4])),
        ("torch_rng_state".to_owned(), SavedTensor::host(Dtype::U8, vec![torch.len()], torch)),
    ]
}

/// The Mersenne twister's words after seeding (Matsumoto and Nishimura 1998, `init_genrand`).
fn mersenne_words(seed: u64) -> Vec<u32> {
    let low = u32::try_from(seed & u64::from(u32::MAX)).unwrap_or(0);
    let mut words = vec![low];
    for i in 1..624_u32 {
        let previous = words[words.len() - 1];
        words.push(1_812_433_253_u32.wrapping_mul(previous ^ (previous >> 30)).wrapping_add(i));
    }
    words
}

/// seed u64, left i32 = 1, seeded i32 = 1, next u64 = 0, the words as u64, and zeros for cached normals.
fn torch_state(seed: u64, words: &[u32]) -> Vec<u8> {
    let mut blob = seed.to_le_bytes().to_vec();
    blob.extend(1_i32.to_le_bytes());
    blob.extend(1_i32.to_le_bytes());
    blob.extend(0_u64.to_le_bytes());
    blob.extend(words.iter().flat_map(|&word| u64::from(word).to_le_bytes()));
    blob.resize(5056, 0);
    blob
}

#[cfg(test)]
mod tests {
    use super::{mersenne_words, torch_state};

    /// First words of `numpy.random.RandomState(1000).get_state()`.
    #[test]
    fn words_are_those_of_the_reference_implementation() {
        assert_eq!(mersenne_words(5489)[..3], [5489, 1_301_868_182, 2_938_499_221], "the default seed's");
        assert_eq!(torch_state(1000, &mersenne_words(1000)).len(), 5056, "torch's size");
    }
}
