//! A checkpoint among files that the visitor dropped or picked: they are read from the disk, slice by slice, and copied nowhere.

use mtdit_policy::PolicyConfig;
use mtdit_policy::checkpoint::files::{MAX_JSON, WEIGHTS};
use mtdit_policy::checkpoint::{CheckpointFiles, FileSource};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, Url};

use super::error::LoadError;
use super::hash::Checksum;
use super::origin::{Blobs, Origin};
use super::weights::Weights;
use super::{Opened, Report};
use crate::manifest::{MANIFEST, Manifest};
use crate::origin::{Impostor, Selection, listing};
use crate::protocol::SampleObservation;

/// Opens the checkpoint among some files; `paths` say what each of the attachments is.
///
/// # Errors
/// [`LoadError`] names the file that is missing or at fault.
pub(super) async fn open<'a>(
    paths: &[String],
    attachments: &[JsValue],
    report: &'a dyn Report,
) -> Result<Opened<'a>, LoadError> {
    let selection = Selection::find(paths)?;
    let mut source = DiskFiles { selection: &selection, attachments, manifest: None, report };
    source.manifest = source.find(MANIFEST, MAX_JSON).await?.as_deref().and_then(listing::read);
    let files = CheckpointFiles::read(&mut source).await?;
    PolicyConfig::try_from(&files.parts.config)?;
    let weights = source.weights(report).await?;

    let manifest = source.manifest.take();
    let name = manifest.as_ref().map(|manifest| manifest.name.clone()).filter(|name| !name.is_empty());
    let sample = manifest.as_ref().and_then(|manifest| manifest.sample.as_ref());
    Ok(Opened {
        sample: sample.and_then(|sample| source.with_addresses(sample)),
        name: name.unwrap_or_else(|| selection.name()),
        origin: selection.origin(),
        parts: files.parts,
        weights,
        manifest,
        from_cache: false,
        state_names: files.provenance.state_names,
        action_names: files.provenance.action_names,
        tasks: files.provenance.tasks,
    })
}

/// The files of a checkpoint among the attachments.
struct DiskFiles<'a> {
    selection: &'a Selection,
    attachments: &'a [JsValue],
    manifest: Option<Manifest>,
    report: &'a dyn Report,
}

impl DiskFiles<'_> {
    fn blob(&self, path: &str) -> Option<Blob> {
        self.attachments.get(self.selection.position(path)?)?.dyn_ref::<Blob>().cloned()
    }

    /// The weights, in one file or in the pieces that the manifest lists.
    async fn weights<'r>(&self, report: &'r dyn Report) -> Result<Weights<'r>, LoadError> {
        let listed = self.manifest.as_ref().and_then(|manifest| manifest.file(WEIGHTS));
        let pieces = listed.map(|listed| listed.pieces.as_slice()).unwrap_or_default();
        let paths: Vec<&str> =
            if pieces.is_empty() { vec![WEIGHTS] } else { pieces.iter().map(|piece| piece.path.as_str()).collect() };
        let blob = |path: &str| {
            let hint = "choose the whole folder, with all its files";
            self.blob(path).ok_or_else(|| LoadError::Missing { file: self.selection.path(path), hint })
        };
        let blobs = paths.into_iter().map(blob).collect::<Result<_, _>>()?;
        let file = self.selection.path(WEIGHTS);
        let origin = Origin::Local(Blobs::new(file.clone(), blobs));
        Weights::open(file, origin, listed.and_then(listing::hash), report).await
    }

    /// The same observation with addresses that the page can show; `None` when a picture was not among the files.
    fn with_addresses(&self, sample: &SampleObservation) -> Option<SampleObservation> {
        let address =
            |frame: &String| Url::create_object_url_with_blob(&self.blob(frame.trim_start_matches("./"))?).ok();
        let moment = |frames: &Vec<String>| frames.iter().map(address).collect::<Option<Vec<String>>>();
        let frames = sample.frames.iter().map(moment).collect::<Option<Vec<_>>>()?;
        Some(SampleObservation { frames, ..sample.clone() })
    }
}

impl FileSource for DiskFiles<'_> {
    type Error = LoadError;

    fn name(&self, path: &str) -> String {
        self.selection.path(path)
    }

    async fn find(&mut self, path: &str, most: u64) -> Result<Option<Vec<u8>>, LoadError> {
        if self.report.cancelled() {
            return Err(LoadError::Cancelled);
        }
        let Some(blob) = self.blob(path) else { return Ok(None) };
        self.report.progress(&format!("Reading {path}"), 0, 0);
        let file = self.selection.path(path);
        let bytes = Blobs::new(file.clone(), vec![blob]).whole(most).await?;
        if Impostor::of(&bytes) == Some(Impostor::GitLfs) {
            return Err(LoadError::GitLfs { file });
        }
        let listed = self.manifest.as_ref().and_then(|manifest| manifest.file(path));
        Checksum::check(&file, &bytes, listed.and_then(listing::hash))?;
        Ok(Some(bytes))
    }

    async fn need(&mut self, path: &str, hint: &'static str, most: u64) -> Result<Vec<u8>, LoadError> {
        let found = self.find(path, most).await?;
        found.ok_or_else(|| LoadError::Missing { file: self.selection.path(path), hint })
    }
}
