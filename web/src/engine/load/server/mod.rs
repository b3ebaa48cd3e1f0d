//! A checkpoint on a server: its small files first, then the beginning of its weights.

mod files;
mod weights;

use mtdit_policy::PolicyConfig;
use mtdit_policy::checkpoint::CheckpointFiles;

use self::files::ServerFiles;
use super::cache::Place;
use super::error::LoadError;
use super::hash::key;
use super::{Opened, Report};
use crate::origin::Folder;
use crate::protocol::SampleObservation;

/// Opens the checkpoint in a folder on a server.
///
/// # Errors
/// [`LoadError`] names the address at fault.
pub(super) async fn open<'a>(url: &str, report: &'a dyn Report) -> Result<Opened<'a>, LoadError> {
    let folder = Folder::parse(url)?;
    let place = match Place::of(key(&folder.address())).await {
        Ok(place) => Some(place),
        Err(reason) => {
            report.notice(format!("This browser's cache cannot be used: {reason}. Every load comes from the server."));
            None
        }
    };
    let record = match &place {
        Some(place) => place.record().await,
        None => None,
    };
    let mut source = ServerFiles::open(&folder, place.as_ref(), record.as_ref(), report).await?;
    let files = CheckpointFiles::read(&mut source).await?;
    PolicyConfig::try_from(&files.parts.config)?;
    let found = source.into_found();

    let (weights, from_cache) = weights::open(&folder, place, record, &found, report).await?;
    let manifest = found.manifest;
    let name = manifest.as_ref().map(|manifest| manifest.name.clone()).filter(|name| !name.is_empty());
    let sample = manifest.as_ref().and_then(|manifest| manifest.sample.as_ref());
    Ok(Opened {
        sample: sample.map(|sample| with_addresses(sample, &folder)),
        name: name.unwrap_or_else(|| folder.name()),
        origin: folder.address(),
        parts: files.parts,
        weights,
        manifest,
        from_cache,
        state_names: files.provenance.state_names,
        action_names: files.provenance.action_names,
        tasks: files.provenance.tasks,
    })
}

/// The same observation with whole addresses.
fn with_addresses(sample: &SampleObservation, folder: &Folder) -> SampleObservation {
    let moment = |frames: &Vec<String>| frames.iter().map(|frame| folder.resolve(frame)).collect::<Vec<String>>();
    SampleObservation { frames: sample.frames.iter().map(moment).collect(), ..sample.clone() }
}
