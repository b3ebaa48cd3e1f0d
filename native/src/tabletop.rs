//! The simulated tabletop as datasets and policies know it: names of cameras, sizes, families of tasks.

use mtdit_tabletop::{Camera, Family, Frame};

/// The kind of robot, in a dataset's `info.json`.
pub(crate) const ROBOT_TYPE: &str = "mtdit_tabletop";

/// The column or feature of a camera.
pub(crate) fn camera_key(camera: Camera) -> String {
    format!("observation.images.{}", camera.name())
}

/// The camera that a key means, by its last word.
pub(crate) fn camera(key: &str) -> Option<Camera> {
    let last = key.rsplit(|letter: char| !letter.is_alphanumeric()).next()?;
    Camera::ALL.into_iter().find(|camera| camera.name() == last)
}

/// The families that were named, each once; all when none was.
pub(crate) fn families(named: &[Family]) -> Vec<Family> {
    Family::ALL.into_iter().filter(|family| named.is_empty() || named.contains(family)).collect()
}

/// A picture of the world as datasets hold it.
pub(crate) fn recorded(frame: Frame) -> mtdit_data::Frame {
    mtdit_data::Frame { height: frame.height, width: frame.width, rgb: frame.rgb }
}

/// A picture of the world as a policy sees it.
pub(crate) fn seen(frame: Frame) -> mtdit_policy::Frame {
    mtdit_policy::Frame { height: frame.height, width: frame.width, rgb: frame.rgb.into() }
}

#[cfg(test)]
mod tests {
    use super::{camera, camera_key, families};
    use mtdit_tabletop::{Camera, Family};

    #[test]
    fn cameras_are_known_by_the_last_word_of_their_key() {
        for wanted in Camera::ALL {
            let found = camera(&camera_key(wanted)).map(Camera::name);
            assert_eq!(found, Some(wanted.name()), "its own key");
        }
        assert_eq!(camera("observation.image_top").map(Camera::name), Some("top"), "another key");
        assert_eq!(camera("observation.images.front").map(Camera::name), None, "another camera");
    }

    #[test]
    fn every_family_is_asked_once() {
        assert_eq!(families(&[]), Family::ALL, "none named");
        assert_eq!(families(&[Family::Push, Family::Reach, Family::Push]), [Family::Reach, Family::Push], "two named");
    }
}
