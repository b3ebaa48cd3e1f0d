//! File names of a dataset: the small part of Python's format language that `info.json` uses.
//!
//! `data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet` (contract 1.1). `:03d` is a minimum width.

use std::path::{Component, Path, PathBuf};

/// What a template may name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    pub(crate) chunk_index: usize,
    pub(crate) file_index: usize,
    pub(crate) video_key: &'a str,
}

/// Fills a template. The result stays inside the dataset: absolute paths and `..` are refused.
pub(crate) fn fill(template: &str, fields: &Fields<'_>) -> Result<PathBuf, String> {
    let mut name = String::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        name.push_str(&rest[..open]);
        let inside = &rest[open + 1..];
        let close = inside.find('}').ok_or_else(|| format!("the template `{template}` has an unclosed brace"))?;
        name.push_str(&field(&inside[..close], fields)?);
        rest = &inside[close + 1..];
    }
    name.push_str(rest);
    inside_dataset(&name)
}

fn field(placeholder: &str, fields: &Fields<'_>) -> Result<String, String> {
    let (name, format) = placeholder.split_once(':').unwrap_or((placeholder, ""));
    let number = match name {
        "chunk_index" | "episode_chunk" => fields.chunk_index,
        "file_index" => fields.file_index,
        "video_key" => return Ok(fields.video_key.to_owned()),
        _ => {
            return Err(format!("the template names `{name}`, known are chunk_index, file_index and video_key"));
        }
    };
    let width = match format {
        "" | "d" => 0,
        _ => format
            .strip_suffix('d')
            .and_then(|width| width.strip_prefix('0'))
            .and_then(|width| width.parse::<usize>().ok())
            .filter(|width| *width <= 20)
            .ok_or_else(|| format!("the template has the format `:{format}`, known is `:0Nd`"))?,
    };
    Ok(format!("{number:0width$}"))
}

/// Refuses paths that leave the dataset's folder.
pub(crate) fn inside_dataset(name: &str) -> Result<PathBuf, String> {
    let path = Path::new(name);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if plain && !name.is_empty() {
        Ok(path.to_path_buf())
    } else {
        Err(format!("`{name}` leaves the folder of the dataset"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: Fields<'_> = Fields { chunk_index: 2, file_index: 1234, video_key: "observation.images.top" };

    #[test]
    fn templates_fill_like_python() {
        let path = fill("videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4", &FIELDS);
        let expected = Path::new("videos/observation.images.top/chunk-002/file-1234.mp4");
        assert_eq!(path.as_deref(), Ok(expected), "the width is a minimum");
        assert_eq!(fill("{file_index}", &FIELDS).as_deref(), Ok(Path::new("1234")), "no format");
    }

    #[test]
    fn templates_cannot_leave_the_dataset() {
        for bad in ["/etc/passwd", "../{file_index}", "a/../../b", "{unknown}", "{file_index:x}", "{file_index", ""] {
            assert!(fill(bad, &FIELDS).is_err(), "`{bad}` is refused");
        }
    }
}
