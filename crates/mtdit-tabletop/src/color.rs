//! The colours that instructions name.

use serde::{Deserialize, Serialize};

/// The colour of a puck or of a button.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PuckColor {
    /// As in "the red puck".
    Red,
    /// As in "the green puck".
    Green,
    /// As in "the blue puck".
    Blue,
}

impl PuckColor {
    /// Every colour of a puck.
    pub const ALL: [Self; 3] = [Self::Red, Self::Green, Self::Blue];

    /// The word in an instruction.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Green => "green",
            Self::Blue => "blue",
        }
    }

    /// Red, green and blue as drawn, each 0 to 255.
    pub const fn rgb(self) -> [u8; 3] {
        match self {
            Self::Red => [226, 54, 62],
            Self::Green => [34, 160, 84],
            Self::Blue => [38, 98, 226],
        }
    }
}

/// The colour of a zone.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ZoneColor {
    /// As in "the yellow zone".
    Yellow,
    /// As in "the purple zone".
    Purple,
}

impl ZoneColor {
    /// Every colour of a zone.
    pub const ALL: [Self; 2] = [Self::Yellow, Self::Purple];

    /// The word in an instruction.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yellow => "yellow",
            Self::Purple => "purple",
        }
    }

    /// Red, green and blue as drawn, each 0 to 255.
    pub const fn rgb(self) -> [u8; 3] {
        match self {
            Self::Yellow => [255, 216, 92],
            Self::Purple => [196, 158, 240],
        }
    }
}
