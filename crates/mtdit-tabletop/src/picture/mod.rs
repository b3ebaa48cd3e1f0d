//! Pictures of the world: what the robot's cameras see, and what people see.

mod canvas;
mod drawing;

use crate::world::World;
use crate::{FRAME_SIZE, HALF_TABLE, WRIST_VIEW};
use canvas::Canvas;

/// The largest picture, pixels along each side.
const MAX_PIXELS: usize = 4096;

/// A picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Pixels from left to right.
    pub width: usize,
    /// Pixels from top to bottom.
    pub height: usize,
    /// `[height, width, 3]` values 0 to 255, row after row from the top.
    pub rgb: Vec<u8>,
}

/// A camera of the robot.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Camera {
    /// Sees the whole table.
    Top,
    /// Sees a square of [`WRIST_VIEW`] around the gripper.
    Wrist,
}

impl Camera {
    /// Every camera.
    pub const ALL: [Self; 2] = [Self::Top, Self::Wrist];

    /// One lower-case word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Top => "top",
            Self::Wrist => "wrist",
        }
    }
}

pub(crate) fn frame(world: &World, camera: Camera) -> Frame {
    match camera {
        Camera::Top => draw(world, FRAME_SIZE),
        Camera::Wrist => view(world, FRAME_SIZE, world.gripper.position.into(), WRIST_VIEW / 2.0),
    }
}

pub(crate) fn draw(world: &World, pixels: usize) -> Frame {
    view(world, pixels, [0.0; 2], HALF_TABLE)
}

/// A square with its middle and half its side in metres.
fn view(world: &World, pixels: usize, middle: [f32; 2], half: f32) -> Frame {
    let mut canvas = Canvas::new(pixels.clamp(1, MAX_PIXELS), middle, half);
    drawing::paint(&mut canvas, world);
    canvas.into_frame()
}
