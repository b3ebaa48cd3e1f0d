//! Words to CLIP's byte-pair tokens, with the table embedded (contract section 3.2).

use std::sync::{Arc, OnceLock};

use tokenizers::tokenizer::Tokenizer as BytePairs;

use crate::error::PolicyError;

static CLIP: &[u8] = include_bytes!("tokenizer.json");

/// The token that pads, and that ends every instruction.
pub const END_OF_TEXT: u32 = 49_407;

/// CLIP's tokenizer: NFC, spaces collapsed, lower case, byte pairs; start and end tokens around.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    max_length: usize,
    vocab_size: usize,
}

/// The parsed table, shared by everything in the process.
fn byte_pairs() -> &'static Result<Arc<BytePairs>, String> {
    static PARSED: OnceLock<Result<Arc<BytePairs>, String>> = OnceLock::new();
    PARSED.get_or_init(|| BytePairs::from_bytes(CLIP).map(Arc::new).map_err(|error| error.to_string()))
}

impl Tokenizer {
    /// CLIP's table, cutting at `max_length` tokens, for a text tower that knows `vocab_size` of them.
    pub fn clip(max_length: usize, vocab_size: usize) -> Self {
        Self { max_length, vocab_size }
    }

    /// Token ids, at most `max_length` of them, the last always the end of text. Not padded.
    ///
    /// # Errors
    /// [`PolicyError::Instruction`] when the tokenizer refuses the text, or gives a token that the text tower does not know.
    pub fn ids(&self, text: &str) -> Result<Vec<u32>, PolicyError> {
        let refuse = |error: &dyn std::fmt::Display| PolicyError::Instruction(error.to_string());
        let byte_pairs = byte_pairs().as_ref().map_err(|error| refuse(error))?;
        let mut encoding = byte_pairs.encode(text, true).map_err(|error| refuse(&error))?.get_ids().to_vec();

        if encoding.len() > self.max_length {
            encoding.truncate(self.max_length.saturating_sub(1));
            encoding.push(END_OF_TEXT);
        }
        match encoding.iter().find(|&&id| id as usize >= self.vocab_size) {
            Some(id) => Err(PolicyError::Instruction(format!(
                "token {id} lies outside the text tower's vocabulary of {}; the checkpoint was made for another tokenizer",
                self.vocab_size
            ))),
            None => Ok(encoding),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tokenizer;

    /// Contract appendix A.
    #[test]
    fn ids_equal_those_of_transformers() {
        let cases: [(&str, &[u32]); 6] = [
            ("pick up the red cube", &[49406, 3142, 705, 518, 736, 11353, 49407]),
            ("put the bowl on the plate", &[49406, 1983, 518, 3814, 525, 518, 5135, 49407]),
            ("don't drop it!", &[49406, 847, 713, 3387, 585, 256, 49407]),
            ("move 12 cm", &[49406, 2783, 272, 273, 3741, 49407]),
            ("", &[49406, 49407]),
            (
                "  It's  2024: Déjà-vu, naïve!! 抓取",
                &[
                    49406, 585, 568, 273, 271, 273, 275, 281, 25466, 73, 21259, 268, 13230, 267, 1097, 35689, 563, 748,
                    162, 232, 241, 34517,
                ],
            ),
        ];
        for (text, expected) in cases {
            let ids = Tokenizer::clip(77, 49_408).ids(text).expect("CLIP takes any text");
            assert_eq!(&ids[..expected.len()], expected, "{text}");
        }
    }

    #[test]
    fn long_instructions_keep_75_words_and_their_end() {
        let ids = Tokenizer::clip(77, 49_408).ids(&"cube ".repeat(200)).expect("CLIP takes any text");
        assert_eq!(ids.len(), 77, "cut");
        assert_eq!(ids.last(), Some(&49407), "the end of text stays");
    }
}
