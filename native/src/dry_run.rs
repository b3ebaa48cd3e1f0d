//! `mtdit train --dry_run`: what the model sees of the first batch, and the range of every feature.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use mtdit_train::Trainer;
use mtdit_train::samples::HostBatch;

use crate::contact_sheet::{Frame, SheetRow, ValueRange, dry_run_page, sheet_png};

/// Samples that are drawn.
const MOST_ROWS: usize = 8;

/// Writes `dry_run.html` and `contact_sheet.png`, and says where.
pub(crate) fn write(trainer: &Trainer, folder: &Path) -> Result<String> {
    let batch = trainer.first_batch()?;
    let rows = rows(trainer, &batch);
    let ranges = ranges(trainer, &batch);
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let facts = [
        ("samples".to_owned(), batch.frames.len().to_string()),
        ("frames of the dataset".to_owned(), format!("{:?}", batch.frames)),
        ("picture".to_owned(), format!("{} x {}", batch.size[0], batch.size[1])),
    ];
    let page = folder.join("dry_run.html");
    fs::write(&page, dry_run_page(&facts, &ranges, &rows)?).with_context(|| format!("writing {}", page.display()))?;
    let mut said = format!("what the model sees: {}", page.display());
    if rows.iter().any(|row| !row.frames.is_empty()) {
        let sheet = folder.join("contact_sheet.png");
        fs::write(&sheet, sheet_png(&rows)?).with_context(|| format!("writing {}", sheet.display()))?;
        said = format!("{said}\ncontact sheet:       {}", sheet.display());
    }
    for range in &ranges {
        said = format!(
            "{said}\n{:<28} {:<14} min {:>12.5}  max {:>12.5}  mean {:>12.5}",
            range.name, range.shape, range.min, range.max, range.mean
        );
    }
    Ok(said)
}

fn rows(trainer: &Trainer, batch: &HostBatch) -> Vec<SheetRow> {
    let config = trainer.policy().config();
    let [height, width] = batch.size;
    let pixels = 3 * height * width;
    let row = |i: usize| {
        let mut frames = Vec::new();
        for step in 0..config.n_obs_steps {
            for (c, camera) in config.cameras.iter().enumerate() {
                let first = ((i * config.n_obs_steps + step) * config.cameras.len() + c) * pixels;
                let label = format!("{} t-{}", camera.name(), config.n_obs_steps - 1 - step);
                frames.push((label, frame(&batch.pixels[first..first + pixels], batch.size)));
            }
        }
        let task = &trainer.source().tasks()[batch.tasks[i]];
        SheetRow { label: format!("frame {}: {task}", batch.frames[i]), frames }
    };
    (0..batch.frames.len().min(MOST_ROWS)).map(row).collect()
}

/// Planar floats in `0..=1` to a picture.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes, and sizes of pictures")]
fn frame(planar: &[f32], [height, width]: [usize; 2]) -> Frame {
    let plane = height * width;
    let byte = |value: f32| (value * 255.0).round().clamp(0.0, 255.0) as u8;
    let pixels = (0..plane).flat_map(|i| [0, 1, 2].map(|channel| byte(planar[channel * plane + i]))).collect();
    Frame { width: width as u32, height: height as u32, pixels }
}

/// The ranges in robot units and as the network gets them.
fn ranges(trainer: &Trainer, batch: &HostBatch) -> Vec<ValueRange> {
    let config = trainer.policy().config();
    let samples = batch.frames.len();
    let mut ranges = Vec::new();
    let mut add = |name: &str, shape: String, values: &[f32]| {
        let (mut min, mut max, mut sum) = (f64::INFINITY, f64::NEG_INFINITY, 0.0);
        for value in values.iter().map(|&value| f64::from(value)) {
            (min, max, sum) = (min.min(value), max.max(value), sum + value);
        }
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let mean = sum / values.len().max(1) as f64;
        ranges.push(ValueRange { name: name.to_owned(), shape, min, max, mean });
    };
    let state_shape = format!("[{samples}, {}, {}]", config.n_obs_steps, config.state_dim);
    add("observation.state", state_shape.clone(), &batch.states);
    let normalized = trainer.policy().preprocessor().state(batch.states.clone(), samples);
    add("  normalised", state_shape, &normalized.into_data().try_to_vec::<f32>().unwrap_or_default());

    let action_shape = format!("[{samples}, {}, {}]", config.horizon, config.action_dim);
    add("action", action_shape.clone(), &batch.actions);
    let data = burn::tensor::TensorData::new(batch.actions.clone(), [samples, config.horizon, config.action_dim]);
    let actions = burn::tensor::Tensor::<3>::from_data(data, trainer.policy().device());
    let normalized = trainer.policy().postprocessor().normalize(actions);
    add("  normalised", action_shape, &normalized.into_data().try_to_vec::<f32>().unwrap_or_default());
    add("action_is_pad", format!("[{samples}, {}]", config.horizon), &batch.action_is_pad);
    if !batch.pixels.is_empty() {
        let shape = format!(
            "[{samples}, {}, {}, 3, {}, {}]",
            config.n_obs_steps,
            config.cameras.len(),
            batch.size[0],
            batch.size[1]
        );
        add("pictures", shape, &batch.pixels);
    }
    ranges
}
