//! The table as a square on the screen: where its points lie, and the way that a chunk leads over it.

use crate::scale::add_line;

/// The table, from minus this to this in x and in y, in metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plane {
    /// Half a side.
    pub half: f32,
}

impl Plane {
    /// Where a point of the table lies: shares of the square from its left and from its top.
    pub fn share(self, [x, y]: [f32; 2]) -> [f64; 2] {
        let (half, side) = (f64::from(self.half), 2.0 * f64::from(self.half));
        [(f64::from(x) + half) / side, (half - f64::from(y)) / side]
    }

    /// The point of the table at a place of the square; a place outside counts as the nearest one inside.
    #[expect(clippy::cast_possible_truncation, reason = "metres within the table")]
    pub fn point(self, [across, down]: [f64; 2]) -> [f32; 2] {
        let (half, side) = (f64::from(self.half), 2.0 * f64::from(self.half));
        let inside = |share: f64| share.clamp(0.0, 1.0) * side;
        [(inside(across) - half) as f32, (half - inside(down)) as f32]
    }

    /// The way of a chunk from a point of the table on, over a square of so many units: the `d` of an SVG path. Actions begin with
    /// how far they lead in x and in y.
    pub fn way(self, from: [f32; 2], actions: &[Vec<f32>], units: i32) -> String {
        if actions.is_empty() {
            return String::new();
        }
        let inside = |place: f32| place.clamp(-self.half, self.half);
        let mut here = from;
        let places = actions.iter().filter_map(|action| {
            here = [inside(here[0] + action.first()?), inside(here[1] + action.get(1)?)];
            Some(here)
        });
        let point = |place: [f32; 2]| {
            let [across, down] = self.share(place);
            (across * f64::from(units), down * f64::from(units))
        };
        let mut path = String::new();
        add_line(&mut path, [from].into_iter().chain(places).map(point));
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLANE: Plane = Plane { half: 0.25 };

    #[test]
    fn x_goes_right_and_y_goes_up() {
        let places = [[0.0, 0.0], [-0.25, 0.25], [0.25, -0.25]].map(|point| PLANE.share(point));
        assert_eq!(places, [[0.5, 0.5], [0.0, 0.0], [1.0, 1.0]], "middle, top left, bottom right");
    }

    #[test]
    fn a_place_and_its_point_belong_together() {
        for point in [[0.0, 0.0], [0.1, -0.2], [-0.25, 0.25]] {
            let found = PLANE.point(PLANE.share(point));
            assert!((0..2).all(|i| (found[i] - point[i]).abs() < 1e-6), "{found:?} is {point:?}");
        }
        assert_eq!(PLANE.point([-3.0, 7.0]), [-0.25, -0.25], "outside is brought in");
    }

    #[test]
    fn a_way_is_a_line_over_the_square() {
        let chunk = [vec![0.25, -0.25, 1.0], vec![0.5, 0.0, 0.0]];
        assert_eq!(PLANE.way([-0.25, 0.25], &chunk, 1000), "M0 0 500 500 1000 500", "two steps, the last to the edge");
        assert_eq!(PLANE.way([0.0, 0.0], &[], 1000), "", "no chunk");
    }
}
