//! Why a request cannot be answered, and what a visitor is told then.

use thiserror::Error;

use super::device::DeviceError;
use super::load::LoadError;
use super::picture::PictureError;
use super::task::Task;
use crate::protocol::{Event, Failure};
use mtdit_policy::PolicyError;

/// Why a request cannot be answered.
#[derive(Debug, Error)]
pub(super) enum EngineError {
    #[error("stopped")]
    Cancelled,
    #[error("the engine has no device yet; restart it")]
    NotStarted,
    #[error("no checkpoint is loaded")]
    NothingLoaded,
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Picture(#[from] PictureError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error("{0}")]
    Request(String),
}

/// What a visitor is told of a failed request.
pub(super) fn refusal(task: &Task, error: &EngineError, of_gpu: bool) -> Event {
    if task.is_cancelled() || matches!(error, EngineError::Cancelled | EngineError::Load(LoadError::Cancelled)) {
        return Event::Cancelled;
    }
    let device_failed = matches!(error, EngineError::Policy(PolicyError::Device(_)));
    let message = match device_failed && of_gpu {
        true => {
            web_sys::console::error_1(&error.to_string().into());
            "The graphics device stopped working. Restart the engine to go on.".to_owned()
        }
        false => sentence(&error.to_string()),
    };
    let restart = device_failed || matches!(error, EngineError::NotStarted | EngineError::Device(_));
    Event::Failed(Failure { message, restart })
}

/// An error's text as a sentence. Names of files and addresses keep their small letters.
fn sentence(text: &str) -> String {
    let is_word = text.split(' ').next().is_some_and(|word| word.chars().all(char::is_alphabetic));
    if !is_word {
        return finished(text);
    }
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}", finished(letters.as_str()))
}

fn finished(text: &str) -> String {
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{text}{end}")
}
