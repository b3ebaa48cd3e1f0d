//! What is odd about a dataset when it is opened: refused where nothing sensible can follow, a warning otherwise.

use super::Dataset;
use crate::error::DataError;
use crate::table::TASK_INDEX;

impl Dataset {
    /// Every frame has an instruction.
    pub(super) fn check_tasks(&self) -> Result<(), DataError> {
        let mut last = None;
        for index in 0..self.n_frames() {
            let task_index = self.table.integer(TASK_INDEX, index);
            if task_index != last {
                self.task(index)?;
                last = task_index;
            }
        }
        Ok(())
    }

    /// The declared totals are those of the files.
    pub(super) fn compare_totals(&mut self) {
        let counted = [
            ("total_episodes", self.info.total_episodes, self.episodes.len()),
            ("total_frames", self.info.total_frames, self.n_frames()),
            ("total_tasks", self.info.total_tasks, self.tasks.len()),
        ];
        for (field, declared, found) in counted {
            if declared != found {
                let sentence = format!("meta/info.json says `{field}` is {declared}, the files have {found}");
                self.warnings.push(sentence);
            }
        }
    }

    /// The codec in `info.json` is sometimes wrong; the file decides.
    pub(super) fn compare_codecs(&mut self) {
        let mut sentences = Vec::new();
        for feature in &self.info.features {
            let declared = feature.info.get("video.codec").and_then(|codec| codec.as_str());
            let (Some(declared), Some(episode)) = (declared, self.episodes.first()) else {
                continue;
            };
            let track = self.video_file(&feature.key, episode).and_then(|path| self.videos.track(&path));
            let Ok(track) = track else {
                continue;
            };
            let found = codec_name(&track.codec);
            if found != declared && track.codec != declared {
                sentences
                    .push(format!("meta/info.json says camera `{}` is {declared}, its files are {found}", feature.key));
            }
        }
        self.warnings.extend(sentences);
    }
}

/// `FFmpeg`'s name of a codec, as `info.json` uses it.
fn codec_name(sample_entry: &str) -> &str {
    match sample_entry {
        "av01" => "av1",
        "avc1" | "avc3" => "h264",
        "hev1" | "hvc1" => "hevc",
        "mp4v" => "mpeg4",
        "vp09" => "vp9",
        "vp08" => "vp8",
        other => other,
    }
}
