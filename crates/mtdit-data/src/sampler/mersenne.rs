//! The random numbers behind `torch.randperm`: numpy's seed sequence and the Mersenne Twister MT19937.
//!
//! Melissa O'Neill's `seed_seq` as numpy has it (`numpy.random.SeedSequence`), and M. Matsumoto, T. Nishimura: Mersenne
//! Twister, ACM TOMACS 8 (1998).

const POOL_SIZE: usize = 4;
const INIT_A: u32 = 0x43b0_d7e5;
const MULT_A: u32 = 0x931e_8875;
const INIT_B: u32 = 0x8b51_f9dd;
const MULT_B: u32 = 0x58f3_8ded;
const MIX_MULT_L: u32 = 0xca01_f9dd;
const MIX_MULT_R: u32 = 0x4973_f715;
const X_SHIFT: u32 = 16;

/// The first 32 bits of `SeedSequence([seed, epoch]).generate_state(1, uint64)`: all that MT19937 uses of them.
pub(super) fn epoch_seed(seed: u64, epoch: u64) -> u32 {
    let mut entropy = words(seed);
    entropy.extend(words(epoch));
    let mut hash_const = INIT_A;
    let mut hash = |value: u32| {
        let value = value ^ hash_const;
        hash_const = hash_const.wrapping_mul(MULT_A);
        let value = value.wrapping_mul(hash_const);
        value ^ (value >> X_SHIFT)
    };
    let mut pool = [0_u32; POOL_SIZE];
    for (index, slot) in pool.iter_mut().enumerate() {
        *slot = hash(entropy.get(index).copied().unwrap_or(0));
    }
    for source in 0..POOL_SIZE {
        for target in 0..POOL_SIZE {
            if source != target {
                pool[target] = mix(pool[target], hash(pool[source]));
            }
        }
    }
    for value in entropy.iter().skip(POOL_SIZE) {
        for slot in &mut pool {
            *slot = mix(*slot, hash(*value));
        }
    }
    let value = (pool[0] ^ INIT_B).wrapping_mul(INIT_B.wrapping_mul(MULT_B));
    value ^ (value >> X_SHIFT)
}

fn mix(left: u32, right: u32) -> u32 {
    let result = MIX_MULT_L.wrapping_mul(left).wrapping_sub(MIX_MULT_R.wrapping_mul(right));
    result ^ (result >> X_SHIFT)
}

/// A number as 32-bit words, the lowest first; zero is one word.
fn words(number: u64) -> Vec<u32> {
    let (low, high) = (low_word(number), low_word(number >> 32));
    if high == 0 { vec![low] } else { vec![low, high] }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
fn low_word(number: u64) -> u32 {
    number as u32
}

const STATE_SIZE: usize = 624;
const SHIFT_SIZE: usize = 397;

/// The Mersenne Twister.
pub(super) struct MersenneTwister {
    state: [u32; STATE_SIZE],
    next: usize,
}

impl MersenneTwister {
    /// Seeded as torch's generator on the CPU.
    pub(super) fn new(seed: u32) -> Self {
        let mut state = [0; STATE_SIZE];
        state[0] = seed;
        for index in 1..STATE_SIZE {
            let previous: u32 = state[index - 1];
            let step = u32::try_from(index).unwrap_or(0);
            state[index] = 1_812_433_253_u32.wrapping_mul(previous ^ (previous >> 30)).wrapping_add(step);
        }
        Self { state, next: STATE_SIZE }
    }

    /// The next 32 random bits.
    pub(super) fn next_u32(&mut self) -> u32 {
        if self.next == STATE_SIZE {
            self.twist();
        }
        let mut value = self.state[self.next];
        self.next += 1;
        value ^= value >> 11;
        value ^= (value << 7) & 0x9d2c_5680;
        value ^= (value << 15) & 0xefc6_0000;
        value ^ (value >> 18)
    }

    /// The next 64 random bits, as torch puts them together.
    pub(super) fn next_u64(&mut self) -> u64 {
        let high = u64::from(self.next_u32());
        (high << 32) | u64::from(self.next_u32())
    }

    fn twist(&mut self) {
        for index in 0..STATE_SIZE {
            let upper = self.state[index] & 0x8000_0000;
            let lower = self.state[(index + 1) % STATE_SIZE] & 0x7fff_ffff;
            let joined = upper | lower;
            let twisted = (joined >> 1) ^ if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[index] = self.state[(index + SHIFT_SIZE) % STATE_SIZE] ^ twisted;
        }
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twister_is_the_published_one() {
        let mut twister = MersenneTwister::new(5489);
        assert_eq!(twister.next_u32(), 3_499_211_612, "the first number of the reference code");
        for _ in 1..9_999 {
            twister.next_u32();
        }
        assert_eq!(twister.next_u32(), 4_123_659_995, "the ten-thousandth, as the C++ standard says");
    }
}
