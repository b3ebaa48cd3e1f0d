//! The sentences that ask for a task: the canonical one, others with the same meaning, and some that no data contains.

use super::Task;

/// Phrasings for data; the canonical one comes first.
const fn templates(task: Task) -> [&'static str; 5] {
    match task {
        Task::Reach { .. } => [
            "move the gripper over the {a} puck",
            "go to the {a} puck",
            "hover above the {a} puck",
            "reach the {a} puck",
            "bring the hand over the {a} disc",
        ],
        Task::Lift { .. } => [
            "pick up the {a} puck and hold it",
            "lift the {a} puck",
            "grab the {a} puck",
            "take the {a} disc and keep it",
            "pick up the {a} disc",
        ],
        Task::Push { .. } => [
            "push the {a} puck into the {b} zone",
            "slide the {a} puck into the {b} zone",
            "shove the {a} puck to the {b} area",
            "push the {a} disc over to the {b} zone",
            "push {a} into {b}",
        ],
        Task::Place { .. } => [
            "pick up the {a} puck and put it into the {b} zone",
            "place the {a} puck in the {b} zone",
            "put the {a} puck into the {b} zone",
            "carry the {a} puck to the {b} area",
            "lift the {a} disc and set it down in the {b} zone",
        ],
        Task::Gather { .. } => [
            "put the {a} puck next to the {b} puck",
            "bring the {a} puck to the {b} puck",
            "place the {a} puck beside the {b} one",
            "move the {a} disc close to the {b} disc",
            "put {a} next to {b}",
        ],
        Task::Separate { .. } => [
            "move the {a} puck away from the {b} puck",
            "separate the {a} puck from the {b} puck",
            "take the {a} puck far from the {b} one",
            "carry the {a} disc away from the {b} disc",
            "move {a} away from {b}",
        ],
        Task::Press { .. } => [
            "press the {a} button, then the {b} button",
            "first press {a}, then {b}",
            "push the {a} button and after that the {b} button",
            "hit the {a} button before the {b} button",
            "press {a} and then {b}",
        ],
        Task::Around { .. } => [
            "go around the wall into the {a} zone without touching it",
            "move around the wall to the {a} zone",
            "get past the wall into the {a} area",
            "reach the {a} zone behind the wall",
            "steer around the wall and stop in the {a} zone",
        ],
    }
}

/// Phrasings that no data contains: they show whether a policy understands more than it was told.
const fn held_out_templates(task: Task) -> [&'static str; 2] {
    match task {
        Task::Reach { .. } => ["position yourself above the {a} puck", "approach the {a} disc from above"],
        Task::Lift { .. } => ["grasp the {a} disc and do not let go", "get hold of the {a} puck"],
        Task::Push { .. } => ["slide the {a} disc onto the {b} area", "without lifting it, push {a} to the {b} zone"],
        Task::Place { .. } => ["drop the {a} puck in the {b} zone", "grab the {a} disc and lay it on the {b} area"],
        Task::Gather { .. } => ["set the {a} puck down near the {b} puck", "bring the {a} disc beside the {b} one"],
        Task::Separate { .. } => ["get the {a} puck away from the {b} one", "bring {a} to a place far from {b}"],
        Task::Press { .. } => [
            "touch the {a} button first and the {b} button second",
            "begin with the {a} button and end with the {b} one",
        ],
        Task::Around { .. } => {
            ["find a way round the wall to the {a} zone", "drive past the barrier into the {a} area"]
        }
    }
}

impl Task {
    /// The sentence that asks for it: the first of [`Task::phrasings`].
    pub fn instruction(self) -> String {
        self.fill(templates(self)[0])
    }

    /// Sentences for data, the canonical one first.
    pub fn phrasings(self) -> Vec<String> {
        templates(self).map(|template| self.fill(template)).into()
    }

    /// Sentences that mean the same and stay out of the data.
    pub fn held_out_phrasings(self) -> Vec<String> {
        held_out_templates(self).map(|template| self.fill(template)).into()
    }

    /// The task that a sentence asks for: any phrasing, whatever its capitals, punctuation and spaces.
    pub fn parse(sentence: &str) -> Option<Self> {
        let words = words(sentence);
        Self::all().into_iter().find(|task| {
            let mut phrasings = task.phrasings().into_iter().chain(task.held_out_phrasings());
            phrasings.any(|phrasing| self::words(&phrasing) == words)
        })
    }

    fn fill(self, template: &str) -> String {
        let (a, b) = match self {
            Self::Reach { puck } | Self::Lift { puck } => (puck.name(), ""),
            Self::Push { puck, zone } | Self::Place { puck, zone } => (puck.name(), zone.name()),
            Self::Gather { puck, to: other } | Self::Separate { puck, from: other } => (puck.name(), other.name()),
            Self::Press { first, second } => (first.name(), second.name()),
            Self::Around { zone } => (zone.name(), ""),
        };
        template.replace("{a}", a).replace("{b}", b)
    }
}

/// The words of a sentence in lower case, without punctuation.
fn words(sentence: &str) -> Vec<String> {
    let separated = sentence.split(|letter: char| !letter.is_alphanumeric());
    separated.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}
