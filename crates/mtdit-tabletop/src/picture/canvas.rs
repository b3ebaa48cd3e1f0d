//! Anti-aliased shapes in metres.

use tiny_skia::{
    Color, FillRule, GradientStop, Paint, Path, PathBuilder, Pixmap, Point, RadialGradient, Rect, Shader, SpreadMode,
    Transform,
};

use super::Frame;

/// A colour: red, green and blue from 0 to 255, and opacity from 0 to 1.
#[derive(Copy, Clone, Debug)]
pub(super) struct Ink {
    pub(super) rgb: [u8; 3],
    pub(super) opacity: f32,
}

impl Ink {
    pub(super) const fn opaque(rgb: [u8; 3]) -> Self {
        Self { rgb, opacity: 1.0 }
    }

    pub(super) const fn clear(rgb: [u8; 3], opacity: f32) -> Self {
        Self { rgb, opacity }
    }

    /// Mixed with black (towards -1) or with white (towards 1).
    pub(super) fn shaded(rgb: [u8; 3], light: f32) -> Self {
        let goal = if light < 0.0 { 0.0 } else { 255.0 };
        let mix = |channel: u8| {
            let mixed = f32::from(channel) + (goal - f32::from(channel)) * light.abs();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a mean of two bytes is a byte"
            )]
            let byte = mixed as u8;
            byte
        };
        Self::opaque(rgb.map(mix))
    }

    fn color(self) -> Color {
        let [red, green, blue] = self.rgb;
        let mut color = Color::from_rgba8(red, green, blue, u8::MAX);
        color.set_alpha(self.opacity);
        color
    }
}

/// A square picture and the part of the table that it shows.
pub(super) struct Canvas {
    pixels: usize,
    pixmap: Option<Pixmap>,
    from_metres: Transform,
}

impl Canvas {
    /// `pixels` along each side; the middle and half the side of what it shows, metres.
    pub(super) fn new(pixels: usize, middle: [f32; 2], half: f32) -> Self {
        let scale = pixels as f32 / (2.0 * half);
        let left = (half - middle[0]) * scale;
        let top = (half + middle[1]) * scale;
        let size = u32::try_from(pixels).unwrap_or(0);
        Self {
            pixels,
            pixmap: Pixmap::new(size, size),
            from_metres: Transform::from_row(scale, 0.0, 0.0, -scale, left, top),
        }
    }

    pub(super) fn fill(&mut self, ink: Ink) {
        if let Some(pixmap) = &mut self.pixmap {
            pixmap.fill(ink.color());
        }
    }

    pub(super) fn disc(&mut self, center: [f32; 2], radius: f32, ink: Ink) {
        self.paint(PathBuilder::from_circle(center[0], center[1], radius), Shader::SolidColor(ink.color()));
    }

    /// A circular band between two radii.
    pub(super) fn ring(&mut self, center: [f32; 2], inner: f32, outer: f32, ink: Ink) {
        let mut path = PathBuilder::new();
        path.push_circle(center[0], center[1], outer);
        path.push_circle(center[0], center[1], inner);
        self.paint(path.finish(), Shader::SolidColor(ink.color()));
    }

    /// A disc that fades to nothing from `inner` to `outer`.
    pub(super) fn glow(&mut self, center: [f32; 2], inner: f32, outer: f32, ink: Ink) {
        let point = Point::from_xy(center[0], center[1]);
        let stops = vec![
            GradientStop::new(inner / outer, ink.color()),
            GradientStop::new(1.0, Ink { opacity: 0.0, ..ink }.color()),
        ];
        let shader = RadialGradient::new(point, 0.0, point, outer, stops, SpreadMode::Pad, Transform::identity());
        if let Some(shader) = shader {
            self.paint(PathBuilder::from_circle(center[0], center[1], outer), shader);
        }
    }

    /// A rectangle with round corners; half its size along x and y.
    pub(super) fn bar(&mut self, center: [f32; 2], half: [f32; 2], corner: f32, ink: Ink) {
        let [x, y] = center;
        let rect = Rect::from_ltrb(x - half[0], y - half[1], x + half[0], y + half[1]);
        self.paint(rect.and_then(|rect| rounded(rect, corner)), Shader::SolidColor(ink.color()));
    }

    fn paint(&mut self, path: Option<Path>, shader: Shader<'_>) {
        if let (Some(pixmap), Some(path)) = (&mut self.pixmap, path) {
            let paint = Paint { shader, anti_alias: true, ..Paint::default() };
            pixmap.fill_path(&path, &paint, FillRule::EvenOdd, self.from_metres, None);
        }
    }

    pub(super) fn into_frame(self) -> Frame {
        let rgba = self.pixmap.map(Pixmap::take).unwrap_or_default();
        let rgb = rgba.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
        Frame { width: self.pixels, height: self.pixels, rgb }
    }
}

fn rounded(rect: Rect, corner: f32) -> Option<Path> {
    let (left, top, right, bottom) = (rect.left(), rect.top(), rect.right(), rect.bottom());
    let mut path = PathBuilder::new();
    path.move_to(left + corner, top);
    path.line_to(right - corner, top);
    path.quad_to(right, top, right, top + corner);
    path.line_to(right, bottom - corner);
    path.quad_to(right, bottom, right - corner, bottom);
    path.line_to(left + corner, bottom);
    path.quad_to(left, bottom, left, bottom - corner);
    path.line_to(left, top + corner);
    path.quad_to(left, top, left + corner, top);
    path.close();
    path.finish()
}
