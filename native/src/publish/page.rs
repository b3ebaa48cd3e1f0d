//! The page of a site: given as a folder, embedded in this program, or there from an earlier publication.

use std::fs;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use flate2::read::ZlibDecoder;
use mtdit_train::atomic::replace_file;

use super::listing;
use super::site::is_inner;

/// The files of the page as it was when this program was built, compressed by `build.rs`; none without a page.
static EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// What the page begins with.
const INDEX: &str = "index.html";
/// Where a site remembers the files of its page, so that those of an older page can go.
const LIST: &str = ".page";

/// Where the page comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Page<'a> {
    /// A folder that Trunk built.
    Given(&'a Path),
    /// This program.
    Embedded,
    /// The site has one already.
    Kept,
}

impl<'a> Page<'a> {
    /// The page that was asked for, or the best there is.
    pub(super) fn find(given: Option<&'a Path>, site: &Path) -> Result<Self> {
        if let Some(folder) = given {
            ensure!(
                folder.join(INDEX).is_file(),
                "{} holds no {INDEX}; build the page with `trunk build --release` and give its folder, web/dist",
                folder.display()
            );
            return Ok(Self::Given(folder));
        }
        if cfg!(embedded_page) {
            return Ok(Self::Embedded);
        }
        if site.join(INDEX).is_file() {
            return Ok(Self::Kept);
        }
        bail!(
            "this mtdit was built without the page; run `trunk build --release` in its repository and give the folder with --page web/dist"
        )
    }

    /// Writes the page's files, and deletes those that only an older page had.
    pub(super) fn write(self, site: &Path) -> Result<()> {
        let mut files = self.files()?;
        if files.is_empty() {
            return Ok(());
        }
        // Whoever opens the site meanwhile finds everything that the page they get asks for.
        files.sort_by_key(|file| file == INDEX);
        for file in &files {
            let path = site.join(file);
            let parent = path.parent().unwrap_or(site);
            fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
            replace_file(&path, &self.read(file)?)?;
        }
        let list = site.join(LIST);
        let older = fs::read_to_string(&list).unwrap_or_default();
        let is_stale = |file: &&str| is_inner(file) && !files.iter().any(|kept| kept == file);
        for file in older.lines().filter(is_stale) {
            // A file that stays takes room and does nothing else.
            drop(fs::remove_file(site.join(file)));
        }
        Ok(replace_file(&list, files.join("\n").as_bytes())?)
    }

    fn files(self) -> Result<Vec<String>> {
        match self {
            Self::Given(folder) => listing::files(folder).with_context(|| format!("reading {}", folder.display())),
            Self::Embedded => Ok(EMBEDDED.iter().map(|(file, _)| (*file).to_owned()).collect()),
            Self::Kept => Ok(Vec::new()),
        }
    }

    fn read(self, file: &str) -> Result<Vec<u8>> {
        if let Self::Given(folder) = self {
            let path = folder.join(file);
            return fs::read(&path).with_context(|| format!("reading {}", path.display()));
        }
        let (_, bytes) = EMBEDDED.iter().find(|(name, _)| *name == file).context("a file of the page")?;
        let mut plain = Vec::new();
        ZlibDecoder::new(*bytes).read_to_end(&mut plain).with_context(|| format!("unpacking the page's {file}"))?;
        Ok(plain)
    }
}
