//! The facts of an H.264 sequence parameter set that decide how its pictures are decoded (ITU-T H.264, 7.3.2.1 and E.1).

/// What a sequence parameter set says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SequenceFacts {
    /// 1 is 4:2:0.
    pub(super) chroma_format: u32,
    /// Bits of luma and chroma, the larger.
    pub(super) bit_depth: u32,
    /// Whether pictures are not made of fields.
    pub(super) progressive: bool,
    /// Width before cropping.
    pub(super) width: u64,
    /// Height before cropping.
    pub(super) height: u64,
    /// 0 to 255 instead of 16 to 235, where said.
    pub(super) full_range: Option<bool>,
    /// Matrix coefficients, where said.
    pub(super) matrix: Option<u16>,
}

/// Profiles whose parameter sets have a chroma format and scaling lists.
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// Reads a sequence parameter set, with its header byte. Nothing when it ends early or contradicts itself.
pub(super) fn parse(unit: &[u8]) -> Option<SequenceFacts> {
    let payload = without_emulation_prevention(unit.get(1..)?);
    let mut bits = Bits { bytes: &payload, at: 0 };
    let profile = bits.fixed(8)?;
    bits.fixed(16)?; // constraint flags, level
    bits.unsigned()?; // seq_parameter_set_id
    let (mut chroma_format, mut bit_depth) = (1, 8);
    if HIGH_PROFILES.contains(&profile) {
        chroma_format = bits.unsigned()?;
        if chroma_format == 3 {
            bits.fixed(1)?;
        }
        bit_depth = bits.unsigned()?.max(bits.unsigned()?).checked_add(8)?;
        bits.fixed(1)?;
        if bits.flag()? {
            skip_scaling_lists(&mut bits, if chroma_format == 3 { 12 } else { 8 })?;
        }
    }
    bits.unsigned()?; // log2_max_frame_num_minus4
    skip_picture_order(&mut bits)?;
    bits.unsigned()?; // max_num_ref_frames
    bits.fixed(1)?;
    let width = (u64::from(bits.unsigned()?) + 1) * 16;
    let height = (u64::from(bits.unsigned()?) + 1) * 16;
    let progressive = bits.flag()?;
    if !progressive {
        bits.fixed(1)?;
    }
    bits.fixed(1)?; // direct_8x8_inference_flag
    if bits.flag()? {
        for _ in 0..4 {
            bits.unsigned()?; // cropping
        }
    }
    // Damaged usability information does not make the pictures undecodable.
    let (full_range, matrix) = video_signal(&mut bits).unwrap_or((None, None));
    Some(SequenceFacts { chroma_format, bit_depth, progressive, width, height, full_range, matrix })
}

fn skip_scaling_lists(bits: &mut Bits<'_>, n_lists: usize) -> Option<()> {
    for list in 0..n_lists {
        if !bits.flag()? {
            continue;
        }
        let (mut last, mut next) = (8_i64, 8_i64);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                next = (last + bits.signed()? + 256).rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
    }
    Some(())
}

fn skip_picture_order(bits: &mut Bits<'_>) -> Option<()> {
    match bits.unsigned()? {
        0 => {
            bits.unsigned()?;
        }
        1 => {
            bits.fixed(1)?;
            bits.unsigned()?;
            bits.unsigned()?;
            for _ in 0..bits.unsigned()?.min(255) {
                bits.unsigned()?;
            }
        }
        _ => {}
    }
    Some(())
}

/// Range and matrix of the video usability information.
fn video_signal(bits: &mut Bits<'_>) -> Option<(Option<bool>, Option<u16>)> {
    const EXTENDED_ASPECT_RATIO: u32 = 255;
    if !bits.flag()? {
        return Some((None, None));
    }
    if bits.flag()? && bits.fixed(8)? == EXTENDED_ASPECT_RATIO {
        bits.fixed(32)?;
    }
    if bits.flag()? {
        bits.fixed(1)?; // overscan_appropriate_flag
    }
    if !bits.flag()? {
        return Some((None, None));
    }
    bits.fixed(3)?; // video_format
    let full_range = bits.flag()?;
    let mut matrix = None;
    if bits.flag()? {
        bits.fixed(16)?; // primaries, transfer
        matrix = u16::try_from(bits.fixed(8)?).ok();
    }
    Some((Some(full_range), matrix))
}

/// `00 00 03` stands for `00 00` wherever a start code could be mistaken for one.
fn without_emulation_prevention(unit: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(unit.len());
    let mut zeros = 0;
    for byte in unit {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        payload.push(*byte);
    }
    payload
}

/// Reads bits from the most significant on.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = (byte >> (7 - self.at % 8)) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    fn fixed(&mut self, n_bits: u32) -> Option<u32> {
        (0..n_bits).try_fold(0_u32, |value, _| Some((value << 1) | u32::from(self.flag()?)))
    }

    /// Exp-Golomb.
    fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.fixed(zeros)?;
        (1_u32 << zeros).checked_sub(1)?.checked_add(rest)
    }

    fn signed(&mut self) -> Option<i64> {
        let code = i64::from(self.unsigned()?);
        Some(if code % 2 == 0 { -(code / 2) } else { code / 2 + 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a recording with 64 x 48 pixels, by x264.
    const RECORDED: [u8; 22] = [
        0x67, 0x64, 0x00, 0x0a, 0xac, 0xe4, 0x11, 0xe8, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00, 0x0f, 0x03,
        0xc4, 0x89, 0x44, 0x80,
    ];

    #[test]
    fn a_recorded_parameter_set_is_read() {
        let expected = SequenceFacts {
            chroma_format: 1,
            bit_depth: 8,
            progressive: true,
            width: 64,
            height: 48,
            full_range: None,
            matrix: None,
        };
        assert_eq!(parse(&RECORDED), Some(expected), "the facts of the recording");
    }

    #[test]
    fn damaged_parameter_sets_are_refused() {
        for length in 0..8 {
            assert_eq!(parse(&RECORDED[..length]), None, "{length} bytes are too few");
        }
        assert_eq!(parse(&[0x67, 0x64, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0]), None, "endless zeros");
    }

    #[test]
    fn exp_golomb_codes_are_read() {
        // 1, 010, 011, 00100 are 0, 1, 2, 3.
        let mut bits = Bits { bytes: &[0b1010_0110, 0b0100_0000], at: 0 };
        let codes: Vec<Option<u32>> = (0..4).map(|_| bits.unsigned()).collect();
        assert_eq!(codes, [Some(0), Some(1), Some(2), Some(3)], "the first four codes");
        assert_eq!(without_emulation_prevention(&[0, 0, 3, 1, 0, 0, 3]), [0, 0, 1, 0, 0], "the 3 is left out");
    }
}
