//! What a policy sees of the world: which cameras it knows, in which order, and how many moments it remembers.

use std::sync::Arc;

use mtdit_policy::config::CameraConfig;
use mtdit_policy::{Frame, Moment, PolicyConfig};
use mtdit_tabletop::{ACTION_NAMES, Camera, FRAME_SIZE, STATE_NAMES, World};

/// The world's cameras as a policy expects them.
#[derive(Clone, Debug)]
pub struct Eyes {
    cameras: Vec<Camera>,
    n_obs_steps: usize,
}

impl Eyes {
    /// The eyes of a policy; `None` when it was made for something else. Names of the state and of the action are those that
    /// its checkpoint remembers, if it does.
    pub fn of(config: &PolicyConfig, state_names: &[String], action_names: &[String]) -> Option<Self> {
        let fits = config.state_dim == STATE_NAMES.len()
            && config.action_dim == ACTION_NAMES.len()
            && are_named(state_names, &STATE_NAMES)
            && are_named(action_names, &ACTION_NAMES);
        let cameras: Vec<Camera> = config.cameras.iter().map(camera).collect::<Option<_>>()?;
        let has = |camera: Camera| cameras.iter().filter(|known| **known == camera).count() == 1;
        (fits && Camera::ALL.into_iter().all(has)).then_some(Self { cameras, n_obs_steps: config.n_obs_steps })
    }

    /// Moments that the policy remembers, the present one among them.
    pub fn n_obs_steps(&self) -> usize {
        self.n_obs_steps
    }

    /// The world as it is now.
    pub fn look(&self, world: &World) -> Moment {
        let frame = |&camera: &Camera| {
            let frame = world.frame(camera);
            Frame { height: frame.height, width: frame.width, rgb: Arc::from(frame.rgb) }
        };
        Moment { frames: self.cameras.iter().map(frame).collect(), state: world.state().to_vec() }
    }
}

/// Whether names that a checkpoint remembers are the world's.
fn are_named(remembered: &[String], names: &[&str]) -> bool {
    remembered.is_empty() || remembered.iter().eq(names)
}

/// The world's camera that a policy's camera is.
fn camera(config: &CameraConfig) -> Option<Camera> {
    let is_sized = config.height == FRAME_SIZE && config.width == FRAME_SIZE;
    Camera::ALL.into_iter().find(|camera| is_sized && config.key.ends_with(camera.name()))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use mtdit_policy::checkpoint::LeRobotConfig;
    use mtdit_tabletop::Task;

    /// A policy's configuration with these cameras, whose frames have these sides.
    pub(crate) fn config(cameras: [&str; 2], side: usize, n_obs_steps: usize) -> PolicyConfig {
        let [first, second] = cameras;
        let json = format!(
            r#"{{"type":"multi_task_dit","n_obs_steps":{n_obs_steps},"horizon":16,"n_action_steps":8,"hidden_dim":64,
            "num_layers":2,"num_heads":2,"timestep_embed_dim":32,"image_resize_shape":null,"image_crop_shape":null,
            "vision_encoder_name":"mtdit/clip-vit-tiny-patch16","text_encoder_name":"mtdit/clip-vit-tiny-patch16",
            "input_features":{{"observation.images.{first}":{{"type":"VISUAL","shape":[3,{side},{side}]}},
            "observation.images.{second}":{{"type":"VISUAL","shape":[3,{side},{side}]}},
            "observation.state":{{"type":"STATE","shape":[4]}}}},
            "output_features":{{"action":{{"type":"ACTION","shape":[3]}}}}}}"#
        );
        let lerobot = LeRobotConfig::from_json(&json).expect("LeRobot's configuration");
        PolicyConfig::try_from(&lerobot).expect("a policy")
    }

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn only_what_was_made_for_this_world_has_eyes_for_it() {
        let policy = config(["wrist", "top"], 64, 2);
        assert!(Eyes::of(&policy, &names(&STATE_NAMES), &names(&ACTION_NAMES)).is_some(), "the world's names");
        assert!(Eyes::of(&policy, &[], &[]).is_some(), "a checkpoint that remembers no names");
        assert!(Eyes::of(&policy, &names(&["a", "b", "c", "d"]), &[]).is_none(), "another robot's state");
        assert!(Eyes::of(&config(["wrist", "top"], 48, 2), &[], &[]).is_none(), "other pictures");
        assert!(Eyes::of(&config(["front", "top"], 64, 2), &[], &[]).is_none(), "another camera");
        assert!(Eyes::of(&config(["left.top", "right.top"], 64, 2), &[], &[]).is_none(), "one camera twice");
    }

    #[test]
    fn frames_stand_in_the_order_of_the_policy() {
        let world = World::new(5, Task::all()[0]);
        let look = |cameras| Eyes::of(&config(cameras, 64, 2), &[], &[]).expect("eyes").look(&world);
        let (one, other) = (look(["top", "wrist"]), look(["wrist", "top"]));
        assert_eq!(one.frames[0], other.frames[1], "the same camera");
        assert_ne!(one.frames[0], one.frames[1], "two cameras");
        assert_eq!(one.frames[0].rgb.len(), 64 * 64 * 3, "bytes of a frame");
        assert_eq!(one.state, world.state(), "what is measured");
    }
}
