//! What lies on the table, and where.

mod layout;
mod possible;

use rapier2d::math::Vec2;

use crate::color::{PuckColor, ZoneColor};
use crate::{HALF_TABLE, PUCK_RADIUS};

pub(crate) use possible::{BEHIND, is_possible};

/// Everything but the gripper.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    pub(crate) pucks: Vec<Puck>,
    pub(crate) zones: Vec<Zone>,
    pub(crate) buttons: Vec<Button>,
    pub(crate) wall: Option<Wall>,
}

/// A disc that can be pushed and lifted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Puck {
    pub(crate) color: PuckColor,
    pub(crate) position: Vec2,
    pub(crate) velocity: Vec2,
}

/// A coloured place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Zone {
    pub(crate) color: ZoneColor,
    pub(crate) position: Vec2,
}

/// A push button.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Button {
    pub(crate) color: PuckColor,
    pub(crate) position: Vec2,
    /// It was pressed since the task began.
    pub(crate) lit: bool,
}

/// A bar that neither the closed gripper nor a puck passes.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Wall {
    /// Its middle `[x, y]`, metres.
    pub center: [f32; 2],
    /// Half its size along x and y, metres.
    pub half_size: [f32; 2],
}

impl Table {
    pub(crate) fn puck(&self, color: PuckColor) -> Option<usize> {
        self.pucks.iter().position(|puck| puck.color == color)
    }

    pub(crate) fn zone(&self, color: ZoneColor) -> Option<&Zone> {
        self.zones.iter().find(|zone| zone.color == color)
    }

    pub(crate) fn button(&self, color: PuckColor) -> Option<&Button> {
        self.buttons.iter().find(|button| button.color == color)
    }

    /// The nearest place where a puck fits beside edges and wall.
    pub(crate) fn inside(&self, position: Vec2) -> Vec2 {
        let reach = Vec2::splat(HALF_TABLE - PUCK_RADIUS);
        let position = position.clamp(-reach, reach);
        self.wall.map_or(position, |wall| wall.pushed_out(position, PUCK_RADIUS))
    }
}

impl Wall {
    /// Distance of a point from the wall's surface; 0 inside.
    pub(crate) fn distance(&self, point: Vec2) -> f32 {
        let outside = (point - Vec2::from(self.center)).abs() - Vec2::from(self.half_size);
        outside.max(Vec2::ZERO).length()
    }

    /// The nearest place for the centre of a disc that does not overlap the wall.
    pub(crate) fn pushed_out(&self, center: Vec2, radius: f32) -> Vec2 {
        let offset = center - Vec2::from(self.center);
        let half = Vec2::from(self.half_size);
        let nearest = offset.clamp(-half, half);
        let away = offset - nearest;
        let distance = away.length();
        if distance >= radius {
            return center;
        }
        let out = if distance > 0.0 {
            nearest + away * (radius / distance)
        } else {
            let depth = half - offset.abs();
            if depth.x < depth.y {
                Vec2::new((half.x + radius).copysign(offset.x), offset.y)
            } else {
                Vec2::new(offset.x, (half.y + radius).copysign(offset.y))
            }
        };
        Vec2::from(self.center) + out
    }

    /// Whether a disc that moves straight from one place to another would touch the wall.
    pub(crate) fn blocks(&self, from: Vec2, to: Vec2, radius: f32) -> bool {
        /// Finer than the wall is thick.
        const PROBES: u8 = 64;
        let probe = |index: u8| from.lerp(to, f32::from(index) / f32::from(PROBES));
        (0..=PROBES).any(|index| self.distance(probe(index)) < radius)
    }
}
