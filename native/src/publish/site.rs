//! The folder of a site: whether it may be written to, and its list of checkpoints.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use mtdit_policy::checkpoint::pretty_json;
use mtdit_train::atomic;
use mtdit_web::manifest::{Listed, SITE, Site};

/// Longest folder name made from a name.
const LONGEST: usize = 64;

/// What hosts that read `_headers` are told. Pages of other sites may load the checkpoints. Browsers keep everything, but ask
/// whether it has changed: a checkpoint that is published again has the same addresses.
const HEADERS: &str = "\
/*
  Access-Control-Allow-Origin: *
  Access-Control-Expose-Headers: Accept-Ranges, Content-Length, Content-Range, ETag
  Cross-Origin-Resource-Policy: cross-origin
  X-Content-Type-Options: nosniff
/models/*
  Cache-Control: public, no-cache
";

/// A site, or a folder that is going to be one.
pub(super) struct Published {
    root: PathBuf,
    site: Site,
    is_new: bool,
}

impl Published {
    /// Looks at the folder; nothing is written.
    pub(super) fn open(root: &Path) -> Result<Self> {
        let index = root.join(SITE);
        if index.is_file() {
            let text = fs::read_to_string(&index).with_context(|| format!("reading {}", index.display()))?;
            let site = serde_json::from_str(&text)
                .with_context(|| format!("{} is no list of checkpoints that mtdit wrote", index.display()))?;
            return Ok(Self { root: root.to_owned(), site, is_new: false });
        }
        if root.exists() {
            let mut entries = fs::read_dir(root).with_context(|| format!("reading {}", root.display()))?;
            if entries.next().is_some() {
                bail!(
                    "{} holds something else: there is no {SITE}, so it is no published site; give a new or empty folder",
                    root.display()
                );
            }
        }
        Ok(Self { root: root.to_owned(), site: Site::default(), is_new: true })
    }

    /// Whether nothing was published there yet.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Makes the folder a site, if only an empty one, and deletes what an interrupted publication left.
    pub(super) fn begin(&self) -> Result<()> {
        let models = self.models();
        fs::create_dir_all(&models).with_context(|| format!("creating {}", models.display()))?;
        if self.is_new {
            self.write_list()?;
        }
        Ok(atomic::clean(&models)?)
    }

    /// Takes back what was begun.
    pub(super) fn abandon(&self) {
        // What cannot be deleted now is deleted by the next publication.
        drop(atomic::clean(&self.models()));
        if self.is_new {
            drop(fs::remove_dir_all(self.models()));
            drop(fs::remove_dir(&self.root));
        }
    }

    /// Where a checkpoint is written before it gets its name.
    pub(super) fn unfinished(&self, slug: &str) -> PathBuf {
        atomic::partial(&self.models().join(slug))
    }

    /// Gives a finished checkpoint its name, in place of an older one of that name.
    pub(super) fn place(&mut self, listed: Listed) -> Result<()> {
        atomic::publish_folder(&self.unfinished(&listed.folder), &self.models().join(&listed.folder))?;
        match self.site.checkpoints.iter_mut().find(|known| known.folder == listed.folder) {
            Some(known) => *known = listed,
            None => self.site.checkpoints.push(listed),
        }
        Ok(())
    }

    /// Writes what only hosts read, then the list.
    pub(super) fn finish(&self) -> Result<()> {
        atomic::replace_file(&self.root.join("_headers"), HEADERS.as_bytes())?;
        // Keeps GitHub from leaving out files whose names begin with `_`.
        atomic::replace_file(&self.root.join(".nojekyll"), b"")?;
        self.write_list()
    }

    /// Number of checkpoints, and bytes of all their files.
    pub(super) fn contents(&self) -> (usize, u64) {
        let checkpoints = &self.site.checkpoints;
        (checkpoints.len(), checkpoints.iter().map(|listed| listed.bytes).sum())
    }

    fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    fn write_list(&self) -> Result<()> {
        Ok(atomic::replace_file(&self.root.join(SITE), pretty_json(&self.site, 2).as_bytes())?)
    }
}

/// Whether a path stays below the folder that it is joined to.
pub(super) fn is_inner(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|component| matches!(component, Component::Normal(_)))
}

/// Names of folders and files, each given once.
#[derive(Default)]
pub(super) struct Names(Vec<String>);

impl Names {
    /// The name in small letters, digits, dashes and underscores; with a number when it is taken.
    pub(super) fn take(&mut self, name: &str) -> String {
        let slug = slug(name);
        let mut free = slug.clone();
        let mut number = 1;
        while self.0.contains(&free) {
            number += 1;
            free = format!("{slug}-{number}");
        }
        self.0.push(free.clone());
        free
    }
}

fn slug(name: &str) -> String {
    let kept = |letter: char| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '-' };
    let dashed: String = name.to_lowercase().chars().map(kept).collect();
    let words: Vec<&str> = dashed.split('-').filter(|word| !word.is_empty()).collect();
    let mut slug = words.join("-");
    slug.truncate(LONGEST);
    match slug.trim_end_matches('-') {
        "" => "unnamed".to_owned(),
        slug => slug.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_folders_that_every_host_can_serve() {
        let cases = [
            ("Pick & place (v2)", "pick-place-v2"),
            ("cam_high", "cam_high"),
            ("../../etc", "etc"),
            ("Größe", "gr-e"),
            ("取って", "unnamed"),
            ("", "unnamed"),
        ];
        for (name, folder) in cases {
            assert_eq!(slug(name), folder, "{name}");
        }
        assert_eq!(slug(&"long ".repeat(40)).len(), 64, "letters of a long name");
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let mut names = Names::default();
        assert_eq!(["a", "A", "a!", "b"].map(|name| names.take(name)), ["a", "a-2", "a-3", "b"], "each once");
    }

    #[test]
    fn paths_that_leave_their_folder_are_seen() {
        for (path, inner) in [("a/b.png", true), ("../a", false), ("/a", false), ("a/../../b", false), ("", false)] {
            assert_eq!(is_inner(path), inner, "{path}");
        }
    }
}
