//! What can be asked: 38 tasks of eight families, and the sentences that ask for them.

mod wording;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::CONTROL_HZ;
use crate::color::{PuckColor, ZoneColor};

/// Seconds to reach or to lift a puck.
const SHORT_SECS: u32 = 8;
/// Seconds for everything else.
const LONG_SECS: u32 = 15;

/// One thing that can be asked.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "family")]
pub enum Task {
    /// Hover above a puck with the gripper open.
    Reach {
        /// Above this one.
        puck: PuckColor,
    },
    /// Hold a puck.
    Lift {
        /// This one.
        puck: PuckColor,
    },
    /// Push a puck into a zone without lifting it.
    Push {
        /// This one.
        puck: PuckColor,
        /// Into this zone.
        zone: ZoneColor,
    },
    /// Carry a puck into a zone.
    Place {
        /// This one.
        puck: PuckColor,
        /// Into this zone.
        zone: ZoneColor,
    },
    /// Bring two pucks together.
    Gather {
        /// This one moves.
        puck: PuckColor,
        /// Next to this one.
        to: PuckColor,
    },
    /// Take two pucks apart.
    Separate {
        /// This one moves.
        puck: PuckColor,
        /// Away from this one.
        from: PuckColor,
    },
    /// Press two buttons in order.
    Press {
        /// The first button.
        first: PuckColor,
        /// The second button.
        second: PuckColor,
    },
    /// Lead the closed gripper around the wall.
    Around {
        /// Into this zone.
        zone: ZoneColor,
    },
}

/// Tasks of one kind.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// [`Task::Reach`].
    Reach,
    /// [`Task::Lift`].
    Lift,
    /// [`Task::Push`].
    Push,
    /// [`Task::Place`].
    Place,
    /// [`Task::Gather`].
    Gather,
    /// [`Task::Separate`].
    Separate,
    /// [`Task::Press`].
    Press,
    /// [`Task::Around`].
    Around,
}

/// What stands on the table.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SceneKind {
    /// Three pucks and two zones.
    Pucks,
    /// Three buttons, and one or two pucks that no task needs.
    Buttons,
    /// A wall between the gripper and a zone.
    Wall,
}

/// A name that no family has.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("there is no task family {name:?}; the families are {}", Family::ALL.map(Family::name).join(", "))]
pub struct UnknownFamily {
    name: String,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 8] =
        [Self::Reach, Self::Lift, Self::Push, Self::Place, Self::Gather, Self::Separate, Self::Press, Self::Around];

    /// One lower-case word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reach => "reach",
            Self::Lift => "lift",
            Self::Push => "push",
            Self::Place => "place",
            Self::Gather => "gather",
            Self::Separate => "separate",
            Self::Press => "press",
            Self::Around => "around",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Family {
    type Err = UnknownFamily;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|family| family.name() == name);
        named.ok_or_else(|| UnknownFamily { name: name.to_owned() })
    }
}

impl Task {
    /// Every task, family by family.
    pub fn all() -> Vec<Self> {
        Family::ALL.into_iter().flat_map(Self::of).collect()
    }

    /// Every task of a family.
    pub fn of(family: Family) -> Vec<Self> {
        let pucks = PuckColor::ALL.into_iter();
        let zones = ZoneColor::ALL.into_iter();
        let puck_and_zone = pucks.clone().flat_map(|puck| ZoneColor::ALL.map(|zone| (puck, zone)));
        let pairs = pucks.clone().flat_map(|one| PuckColor::ALL.map(|other| (one, other)));
        let pairs = pairs.filter(|(one, other)| one != other);
        match family {
            Family::Reach => pucks.map(|puck| Self::Reach { puck }).collect(),
            Family::Lift => pucks.map(|puck| Self::Lift { puck }).collect(),
            Family::Push => puck_and_zone.map(|(puck, zone)| Self::Push { puck, zone }).collect(),
            Family::Place => puck_and_zone.map(|(puck, zone)| Self::Place { puck, zone }).collect(),
            Family::Gather => pairs.map(|(puck, to)| Self::Gather { puck, to }).collect(),
            Family::Separate => pairs.map(|(puck, from)| Self::Separate { puck, from }).collect(),
            Family::Press => pairs.map(|(first, second)| Self::Press { first, second }).collect(),
            Family::Around => zones.map(|zone| Self::Around { zone }).collect(),
        }
    }

    /// The family it belongs to.
    pub const fn family(self) -> Family {
        match self {
            Self::Reach { .. } => Family::Reach,
            Self::Lift { .. } => Family::Lift,
            Self::Push { .. } => Family::Push,
            Self::Place { .. } => Family::Place,
            Self::Gather { .. } => Family::Gather,
            Self::Separate { .. } => Family::Separate,
            Self::Press { .. } => Family::Press,
            Self::Around { .. } => Family::Around,
        }
    }

    /// The scenes that [`crate::World::new`] draws for it.
    pub const fn scene_kind(self) -> SceneKind {
        match self {
            Self::Press { .. } => SceneKind::Buttons,
            Self::Around { .. } => SceneKind::Wall,
            _ => SceneKind::Pucks,
        }
    }

    /// Control steps after which it has failed.
    pub const fn time_limit_steps(self) -> u32 {
        match self {
            Self::Reach { .. } | Self::Lift { .. } => SHORT_SECS * CONTROL_HZ,
            _ => LONG_SECS * CONTROL_HZ,
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.instruction())
    }
}
