//! What the page's own address says: a link that people can share.
//!
//! `?checkpoint=…&backend=…&view=…&task=…&seed=…&sampler=…&steps=…&trailing=…&samples=…&state=…`, each of them optional.

use crate::manifest::SITE;
use crate::protocol::BackendChoice;

const HUB: &str = "https://huggingface.co";

/// Everything that a link can say. What it does not say comes from the checkpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PageLink {
    /// Where the checkpoint is: absolute, relative to the page, or `owner/name` on the Hub.
    pub checkpoint: Option<String>,
    /// The device to compute on.
    pub backend: Option<BackendChoice>,
    /// What is shown of a checkpoint that was made for the tabletop.
    pub view: Option<View>,
    /// The instruction.
    pub task: Option<String>,
    /// Seed of the first chunk's noise; on the tabletop, of the scene.
    pub seed: Option<u64>,
    /// Name of the sampler.
    pub sampler: Option<String>,
    /// Denoising steps.
    pub steps: Option<usize>,
    /// Whether the steps begin at full noise.
    pub trailing: Option<bool>,
    /// How many chunks.
    pub samples: Option<u32>,
    /// The state in robot units: of one moment, or of all moments, oldest first.
    pub state: Option<Vec<f32>>,
}

/// What is shown of a checkpoint that was made for the tabletop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// The tabletop.
    #[default]
    Tabletop,
    /// The fields for one observation, and the chunks sampled from it.
    Observation,
}

impl PageLink {
    /// Reads a link; `value` gives a parameter by its name. What cannot be read is left out.
    pub fn read(value: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name: &str| value(name).filter(|text| !text.trim().is_empty());
        Self {
            checkpoint: text("checkpoint"),
            backend: text("backend").and_then(|name| backend_by_name(&name)),
            view: text("view").and_then(|name| view_by_name(&name)),
            task: text("task"),
            seed: text("seed").and_then(|text| text.trim().parse().ok()),
            sampler: text("sampler"),
            steps: text("steps").and_then(|text| text.trim().parse().ok()),
            trailing: text("trailing").and_then(|text| text.trim().parse().ok()),
            samples: text("samples").and_then(|text| text.trim().parse().ok()),
            state: text("state").and_then(|text| numbers(&text)),
        }
    }

    /// The parameters that this link writes, by name.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let state = self.state.as_ref().map(|values| {
            let words: Vec<String> = values.iter().map(f32::to_string).collect();
            words.join(",")
        });
        [
            ("checkpoint", self.checkpoint.clone()),
            ("backend", self.backend.map(|choice| backend_name(choice).to_owned())),
            ("view", self.view.map(|view| view_name(view).to_owned())),
            ("task", self.task.clone()),
            ("seed", self.seed.map(|seed| seed.to_string())),
            ("sampler", self.sampler.clone()),
            ("steps", self.steps.map(|steps| steps.to_string())),
            ("trailing", self.trailing.map(|trailing| trailing.to_string())),
            ("samples", self.samples.map(|samples| samples.to_string())),
            ("state", state),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

/// The word for a backend in links and in the page's selector.
pub fn backend_name(choice: BackendChoice) -> &'static str {
    match choice {
        BackendChoice::Auto => "auto",
        BackendChoice::WebGpu => "webgpu",
        BackendChoice::Cpu => "cpu",
    }
}

/// The backend of a word.
pub fn backend_by_name(name: &str) -> Option<BackendChoice> {
    let choices = [BackendChoice::Auto, BackendChoice::WebGpu, BackendChoice::Cpu];
    choices.into_iter().find(|&choice| backend_name(choice) == name.trim())
}

/// The word for a view in links.
fn view_name(view: View) -> &'static str {
    match view {
        View::Tabletop => "tabletop",
        View::Observation => "observation",
    }
}

fn view_by_name(name: &str) -> Option<View> {
    [View::Tabletop, View::Observation].into_iter().find(|&view| view_name(view) == name.trim())
}

/// Numbers between commas; `None` when one of them is not a finite number.
fn numbers(text: &str) -> Option<Vec<f32>> {
    text.split(',').map(|word| word.trim().parse::<f32>().ok().filter(|value| value.is_finite())).collect()
}

/// The address of a checkpoint's folder, absolute or relative to the page, from what a person writes or pastes: the folder, one
/// of its files, `owner/name` or a page of the Hub. A name that begins with the folder of the site's own list is relative.
pub fn checkpoint_address(text: &str) -> String {
    let text = text.trim();
    let hub_page = ["https://", "http://", ""]
        .into_iter()
        .flat_map(|scheme| ["huggingface.co/", "www.huggingface.co/", "hf.co/"].map(|host| format!("{scheme}{host}")))
        .find_map(|prefix| text.strip_prefix(prefix.as_str()).map(str::to_owned));
    if let Some(page) = hub_page {
        return hub_folder(&page);
    }
    let folder = without_file(text);
    if is_hub_name(folder) {
        return format!("{HUB}/{folder}/resolve/main");
    }
    folder.to_owned()
}

/// The folder of the files that belong to a page of the Hub.
fn hub_folder(page: &str) -> String {
    let path = page.split(['?', '#']).next().unwrap_or_default();
    let parts: Vec<&str> = without_file(path).split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [owner, name] => format!("{HUB}/{owner}/{name}/resolve/main"),
        [owner, name, "tree" | "blob" | "resolve", rest @ ..] if !rest.is_empty() => {
            format!("{HUB}/{owner}/{name}/resolve/{}", rest.join("/"))
        }
        _ => format!("{HUB}/{}", parts.join("/")),
    }
}

/// An address without a file of a checkpoint at its end, and without the last slash.
fn without_file(text: &str) -> &str {
    let files = ["config.json", "model.safetensors", "manifest.json"];
    let folder = files.into_iter().find_map(|file| text.strip_suffix(file).filter(|rest| rest.ends_with('/')));
    folder.unwrap_or(text).trim_end_matches('/')
}

fn is_hub_name(text: &str) -> bool {
    let named = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|sign| sign.is_ascii_alphanumeric() || "._-".contains(sign))
    };
    let site = SITE.split('/').next().unwrap_or_default();
    text.split_once('/').is_some_and(|(owner, name)| named(owner) && named(name) && owner != site)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_as_it_was_written() {
        let link = PageLink {
            checkpoint: Some("models/tiny".to_owned()),
            backend: Some(BackendChoice::WebGpu),
            view: Some(View::Tabletop),
            task: Some("pick up the cube, gently".to_owned()),
            seed: Some(u64::MAX),
            sampler: Some("dpm++".to_owned()),
            steps: Some(7),
            trailing: Some(true),
            samples: Some(4),
            state: Some(vec![0.1, -2.0, 1e-7]),
        };
        let pairs = link.pairs();
        let read = PageLink::read(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone()));
        assert_eq!(read, link, "every parameter returns");
        assert_eq!(PageLink::read(|_| None), PageLink::default(), "nothing is said");
        assert!(PageLink::default().pairs().is_empty(), "nothing is written");
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let read = PageLink::read(|name| {
            let value = match name {
                "seed" => "-1",
                "steps" => "ten",
                "state" => "1,NaN",
                "backend" => "cuda",
                "view" => "kitchen",
                "task" => "  ",
                _ => return None,
            };
            Some(value.to_owned())
        });
        assert_eq!(read, PageLink::default(), "no parameter can be read");
    }

    #[test]
    fn addresses_of_checkpoints() {
        let hub = "https://huggingface.co/owner/name.v1/resolve/main";
        for (text, address) in [
            ("owner/name.v1", hub),
            (" owner/name.v1/ ", hub),
            ("https://huggingface.co/owner/name.v1", hub),
            ("huggingface.co/owner/name.v1/tree/main", hub),
            ("https://hf.co/owner/name.v1/blob/main/config.json?download=true", hub),
            ("https://huggingface.co/o/n/tree/v2/sub/dir", "https://huggingface.co/o/n/resolve/v2/sub/dir"),
            ("models/tiny", "models/tiny"),
            ("./owner/name", "./owner/name"),
            ("../a/b/", "../a/b"),
            ("/srv/checkpoint", "/srv/checkpoint"),
            ("folder", "folder"),
            ("a/b/c", "a/b/c"),
            ("https://example.org/a/model.safetensors", "https://example.org/a"),
            ("http://localhost:8000/c/", "http://localhost:8000/c"),
        ] {
            assert_eq!(checkpoint_address(text), address, "{text}");
        }
    }
}
