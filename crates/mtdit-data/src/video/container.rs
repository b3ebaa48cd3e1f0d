//! The table of contents of an mp4 file: where its samples are, when they are shown, and which of them are key frames.
//!
//! A sample is shown at `(Σ stts + ctts − elst.media_time) / mdhd.timescale` seconds (contract 1.9). The table is built
//! once per file and never needs a seek index. The parser is our own because the crates at hand loop for ever or take
//! all memory on damaged files.

use std::fs::File;
use std::path::Path;

use super::boxes::{Body, Name, read_moov, shown};
use super::color::ColorSpace;
use super::track::{Sample, Track, index_of};
use crate::error::DataError;

/// Half a year of video at one frame per second.
const MAX_SAMPLES: usize = 1 << 24;

/// Reads the table of contents of a file.
pub(crate) fn open(path: &Path) -> Result<Track, DataError> {
    let mut file = File::open(path).map_err(DataError::io("open", path))?;
    let bytes = file.metadata().map_err(DataError::io("read", path))?.len();
    read_moov(&mut file, bytes)
        .and_then(|moov| parse(Body(&moov), bytes))
        .map_err(|problem| DataError::Container { problem, path: path.to_path_buf() })
}

fn parse(moov: Body<'_>, file_bytes: u64) -> Result<Track, String> {
    let movie_timescale = timescale(moov.require(b"mvhd")?)?;
    let trak = video_trak(moov)?;
    let mdia = trak.require(b"mdia")?;
    let units = timescale(mdia.require(b"mdhd")?)?;
    let stbl = mdia.require(b"minf")?.require(b"stbl")?;
    let (codec, config, color) = sample_entry(stbl.require(b"stsd")?)?;
    let sizes = sample_sizes(stbl.require(b"stsz")?)?;
    let times = presentation_times(stbl, sizes.len())?;
    let start = match trak.find(b"edts")? {
        Some(edts) => first_edit(edts, units, movie_timescale)?,
        None => None,
    };
    // Without an edit list the first picture is shown at zero.
    let start = start.unwrap_or_else(|| times.iter().copied().min().unwrap_or(0));
    let offsets = sample_offsets(stbl, &sizes, file_bytes)?;
    let sync = sync_samples(stbl, sizes.len())?;
    let samples: Vec<Sample> = (0..sizes.len())
        .map(|index| Sample {
            offset: offsets[index],
            size: sizes[index],
            sync: sync[index],
            pts: times[index].saturating_sub(start),
        })
        .collect();
    Ok(Track::ordered(codec, config, color, f64::from(units), samples))
}

/// Units per second of an `mvhd` or `mdhd` box.
fn timescale(header: Body<'_>) -> Result<u32, String> {
    let at = if header.u8(0)? == 1 { 20 } else { 12 };
    match header.u32(at)? {
        0 => Err("its time scale is zero".to_owned()),
        units => Ok(units),
    }
}

fn video_trak(moov: Body<'_>) -> Result<Body<'_>, String> {
    for (name, trak) in moov.children(0)? {
        if &name != b"trak" {
            continue;
        }
        let handler = trak.require(b"mdia")?.require(b"hdlr")?;
        if handler.u32(8)? == u32::from_be_bytes(*b"vide") {
            return Ok(trak);
        }
    }
    Err("it has no video track".to_owned())
}

/// Codec, configuration and colour tags.
fn sample_entry(stsd: Body<'_>) -> Result<(String, Vec<u8>, Option<ColorSpace>), String> {
    const CONFIGURATIONS: [&Name; 3] = [b"av1C", b"avcC", b"hvcC"];
    let entries = stsd.children(8)?;
    let [(name, entry)] = entries.as_slice() else {
        return Err(format!("its video track has {} sample descriptions, one is expected", entries.len()));
    };
    let mut config = Vec::new();
    let mut color = None;
    // Codecs that are not decoded here may have other fields; their name is all that is needed.
    for (child, body) in entry.children(78).unwrap_or_default() {
        if CONFIGURATIONS.contains(&&child) {
            config = body.0.to_vec();
        } else if &child == b"colr" && body.0.starts_with(b"nclx") {
            color = Some(ColorSpace::from_tags(body.u16(8)?, body.u8(10)? & 0x80 != 0));
        }
    }
    Ok((shown(*name), config, color))
}

fn sample_sizes(stsz: Body<'_>) -> Result<Vec<u32>, String> {
    let (size, count) = (stsz.u32(4)?, index_of(stsz.u32(8)?));
    if count > MAX_SAMPLES {
        return Err(format!("it declares {count} pictures, more than the {MAX_SAMPLES} that are read"));
    }
    if size != 0 {
        return Ok(vec![size; count]);
    }
    stsz.rows(8, 4)?.map(|row| row.u32(0)).collect()
}

/// Σ stts + ctts of every sample.
fn presentation_times(stbl: Body<'_>, n_samples: usize) -> Result<Vec<i64>, String> {
    let mut times = Vec::with_capacity(n_samples);
    let mut now = 0_i64;
    for run in stbl.require(b"stts")?.rows(4, 8)? {
        let (count, delta) = (index_of(run.u32(0)?), i64::from(run.u32(4)?));
        for _ in 0..count.min(n_samples - times.len()) {
            times.push(now);
            now = now.saturating_add(delta);
        }
    }
    if times.len() != n_samples {
        return Err(format!("it has times for {} of {n_samples} pictures", times.len()));
    }
    if let Some(ctts) = stbl.find(b"ctts")? {
        let mut index = 0;
        for run in ctts.rows(4, 8)? {
            // Version 0 has no sign by the letter, but writers use one.
            let (count, offset) = (index_of(run.u32(0)?), i64::from(run.i32(4)?));
            for time in times.iter_mut().skip(index).take(count) {
                *time = time.saturating_add(offset);
            }
            index = index.saturating_add(count);
        }
    }
    Ok(times)
}

/// The media time that is shown at zero, after leading pauses.
fn first_edit(edts: Body<'_>, units: u32, movie_units: u32) -> Result<Option<i64>, String> {
    let Some(elst) = edts.find(b"elst")? else {
        return Ok(None);
    };
    let long = elst.u8(0)? == 1;
    let mut pause = 0_i64;
    for edit in elst.rows(4, if long { 20 } else { 12 })? {
        let (duration, media_time) = if long {
            (i64::try_from(edit.u64(0)?).unwrap_or(i64::MAX), edit.i64(8)?)
        } else {
            (i64::from(edit.u32(0)?), i64::from(edit.i32(4)?))
        };
        if media_time >= 0 {
            return Ok(Some(media_time.saturating_sub(pause)));
        }
        let in_units = duration.saturating_mul(i64::from(units)) / i64::from(movie_units);
        pause = pause.saturating_add(in_units);
    }
    Ok(None)
}

/// First byte of every sample; all samples lie inside the file.
fn sample_offsets(stbl: Body<'_>, sizes: &[u32], file_bytes: u64) -> Result<Vec<u64>, String> {
    let chunks: Vec<u64> = match stbl.find(b"stco")? {
        Some(stco) => stco.rows(4, 4)?.map(|row| row.u32(0).map(u64::from)).collect::<Result<_, String>>()?,
        None => stbl.require(b"co64")?.rows(4, 8)?.map(|row| row.u64(0)).collect::<Result<_, String>>()?,
    };
    let runs = stbl
        .require(b"stsc")?
        .rows(4, 12)?
        .map(|row| Ok::<_, String>((index_of(row.u32(0)?), index_of(row.u32(4)?))))
        .collect::<Result<Vec<(usize, usize)>, String>>()?;
    let mut offsets = Vec::with_capacity(sizes.len());
    let mut run = 0;
    for (chunk, start) in chunks.into_iter().enumerate() {
        while runs.get(run + 1).is_some_and(|(first, _)| *first <= chunk + 1) {
            run += 1;
        }
        let mut at = start;
        let in_chunk = runs.get(run).map_or(0, |(_, samples)| *samples);
        for size in sizes.iter().skip(offsets.len()).take(in_chunk) {
            let end = at.checked_add(u64::from(*size)).filter(|end| *end <= file_bytes);
            offsets.push(at);
            at = end.ok_or_else(|| format!("picture {} lies outside the file; is it cut off?", offsets.len() - 1))?;
        }
    }
    if offsets.len() == sizes.len() {
        Ok(offsets)
    } else {
        Err(format!("it has places for {} of {} pictures", offsets.len(), sizes.len()))
    }
}

/// Whether decoding can start at each sample; at all of them when there is no list.
fn sync_samples(stbl: Body<'_>, n_samples: usize) -> Result<Vec<bool>, String> {
    let Some(stss) = stbl.find(b"stss")? else {
        return Ok(vec![true; n_samples]);
    };
    let mut sync = vec![false; n_samples];
    for row in stss.rows(4, 4)? {
        let number = index_of(row.u32(0)?);
        if let Some(slot) = number.checked_sub(1).and_then(|index| sync.get_mut(index)) {
            *slot = true;
        }
    }
    Ok(sync)
}
