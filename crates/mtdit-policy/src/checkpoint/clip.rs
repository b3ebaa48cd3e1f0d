//! Shapes of the CLIP towers: known by name, or read off the tensors and CLIP's own `config.json` (contract section 4.3).

use serde_json::Value;

use super::safetensors::WeightIndex;
use crate::config::PolicyConfig;
use crate::encoders::{Activation, ClipConfig, ClipTextConfig, ClipVisionConfig};
use crate::error::ConfigError;

/// Name, and `[width, mlp, layers, heads]` of the vision tower, picture and patch size, and of the text tower.
type Preset = (&'static str, [usize; 4], [usize; 2], [usize; 4]);

const PRESETS: [Preset; 6] = [
    ("openai/clip-vit-base-patch16", [768, 3072, 12, 12], [224, 16], [512, 2048, 12, 8]),
    ("openai/clip-vit-base-patch32", [768, 3072, 12, 12], [224, 32], [512, 2048, 12, 8]),
    ("openai/clip-vit-large-patch14", [1024, 4096, 24, 16], [224, 14], [768, 3072, 12, 12]),
    ("openai/clip-vit-large-patch14-336", [1024, 4096, 24, 16], [336, 14], [768, 3072, 12, 12]),
    // Ours, for training from scratch on a small machine.
    ("mtdit/clip-vit-tiny-patch16", [128, 512, 3, 2], [112, 16], [64, 256, 2, 1]),
    ("mtdit/clip-vit-tabletop-patch16", [96, 384, 3, 3], [64, 16], [64, 256, 2, 1]),
];

/// The shapes of a CLIP model known by name.
pub fn preset(name: &str) -> Option<ClipConfig> {
    let &(_, vision, [image_size, patch_size], text) = PRESETS.iter().find(|preset| preset.0 == name)?;
    Some(ClipConfig {
        vision_config: Some(ClipVisionConfig {
            hidden_size: vision[0],
            intermediate_size: vision[1],
            num_hidden_layers: vision[2],
            num_attention_heads: vision[3],
            image_size,
            patch_size,
            hidden_act: Activation::QuickGelu,
            layer_norm_eps: 1e-5,
        }),
        text_config: ClipTextConfig {
            vocab_size: 49_408,
            hidden_size: text[0],
            intermediate_size: text[1],
            num_hidden_layers: text[2],
            num_attention_heads: text[3],
            max_position_embeddings: 77,
            hidden_act: Activation::QuickGelu,
            layer_norm_eps: 1e-5,
            eos_token_id: 2,
        },
    })
}

/// Names of the known models.
pub fn preset_names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|preset| preset.0)
}

/// The towers of a policy that is trained from the start: from CLIP's `config.json` when given, else by name.
///
/// # Errors
/// [`ConfigError::Clip`] when neither is known, or when pictures would not have the towers' size.
pub fn towers(config: &PolicyConfig, clip_json: Option<&str>) -> Result<ClipConfig, ConfigError> {
    let read = |name: &str| match clip_json {
        Some(json) => parse(name, json),
        None => preset(name).ok_or_else(|| unknown(name)),
    };
    let text = read(&config.text.text_encoder_name)?;
    let vision = if config.cameras.is_empty() { None } else { read(&config.vision.vision_encoder_name)?.vision_config };
    checked(ClipConfig { vision_config: vision, text_config: text.text_config }, config)
}

/// The towers of a checkpoint: shapes from its tensors; heads, activation and end-of-text rule from CLIP's `config.json`, else
/// from the name, else as every CLIP of `OpenAI` has them (heads of width 64).
///
/// # Errors
/// [`ConfigError::Clip`] when the tensors do not describe a CLIP tower.
pub fn infer(config: &PolicyConfig, index: &WeightIndex, clip_json: Option<&str>) -> Result<ClipConfig, ConfigError> {
    let hints = |name: &str| match clip_json {
        Some(json) => parse(name, json).map(Some),
        None => Ok(preset(name)),
    };
    let text = infer_text(&config.text.text_encoder_name, index, hints(&config.text.text_encoder_name)?)?;
    let vision = if config.cameras.is_empty() {
        None
    } else {
        let name = &config.vision.vision_encoder_name;
        Some(infer_vision(config, index, hints(name)?.and_then(|hints| hints.vision_config))?)
    };
    checked(ClipConfig { vision_config: vision, text_config: text }, config)
}

/// CLIP's `config.json`, or a text or vision configuration on its own.
fn parse(name: &str, json: &str) -> Result<ClipConfig, ConfigError> {
    let refuse = |error: serde_json::Error| clip_error(name, format!("its config.json does not parse: {error}"));
    let mut value: Value = serde_json::from_str(json).map_err(refuse)?;
    // transformers leaves out what has its default.
    for (tower, defaults) in [("text_config", TEXT_DEFAULTS), ("vision_config", VISION_DEFAULTS)] {
        if let Some(Value::Object(tower)) = value.get_mut(tower) {
            for (key, default) in defaults {
                tower.entry(*key).or_insert_with(|| (*default).into());
            }
        }
    }
    serde_json::from_value(value).map_err(refuse)
}

const TEXT_DEFAULTS: &[(&str, usize)] = &[
    ("vocab_size", 49_408),
    ("hidden_size", 512),
    ("intermediate_size", 2048),
    ("num_hidden_layers", 12),
    ("num_attention_heads", 8),
    ("max_position_embeddings", 77),
    ("eos_token_id", 49_407),
];

const VISION_DEFAULTS: &[(&str, usize)] = &[
    ("hidden_size", 768),
    ("intermediate_size", 3072),
    ("num_hidden_layers", 12),
    ("num_attention_heads", 12),
    ("image_size", 224),
    ("patch_size", 32),
];

fn infer_text(name: &str, index: &WeightIndex, hints: Option<ClipConfig>) -> Result<ClipTextConfig, ConfigError> {
    let prefix = "observation_encoder.text_encoder.text_encoder.text_model.";
    let tower = Tower { name, index, prefix: prefix.to_owned() };
    let [vocab_size, hidden_size] = tower.matrix("embeddings.token_embedding.weight")?;
    let [max_position_embeddings, _] = tower.matrix("embeddings.position_embedding.weight")?;
    let hints = hints.map(|hints| hints.text_config);
    Ok(ClipTextConfig {
        vocab_size,
        hidden_size,
        max_position_embeddings,
        intermediate_size: tower.matrix("encoder.layers.0.mlp.fc1.weight")?[0],
        num_hidden_layers: tower.layers(),
        num_attention_heads: tower.heads(hidden_size, hints.as_ref().map(|hints| hints.num_attention_heads))?,
        hidden_act: hints.as_ref().map_or(Activation::QuickGelu, |hints| hints.hidden_act),
        layer_norm_eps: hints.as_ref().map_or(1e-5, |hints| hints.layer_norm_eps),
        eos_token_id: hints.as_ref().map_or(2, |hints| hints.eos_token_id),
    })
}

fn infer_vision(
    config: &PolicyConfig,
    index: &WeightIndex,
    hints: Option<ClipVisionConfig>,
) -> Result<ClipVisionConfig, ConfigError> {
    let name = config.vision.vision_encoder_name.as_str();
    let tower = if config.vision.use_separate_rgb_encoder_per_camera { "vision_encoders.0" } else { "vision_encoder" };
    let tower = Tower { name, index, prefix: format!("observation_encoder.{tower}.model.vision_model.") };
    let [positions, hidden_size] = tower.matrix("embeddings.position_embedding.weight")?;
    let patch_size = match tower.shape("embeddings.patch_embedding.weight")? {
        &[_, 3, patch, _] => patch,
        shape => {
            return Err(clip_error(
                name,
                format!("its patch embedding has shape {shape:?}, [width, 3, patch, patch] is needed"),
            ));
        }
    };
    let side = positions.saturating_sub(1).isqrt();
    if side * side + 1 != positions || patch_size == 0 {
        return Err(clip_error(name, format!("{positions} positions are not a square of patches and a class token")));
    }
    Ok(ClipVisionConfig {
        hidden_size,
        intermediate_size: tower.matrix("encoder.layers.0.mlp.fc1.weight")?[0],
        num_hidden_layers: tower.layers(),
        num_attention_heads: tower.heads(hidden_size, hints.as_ref().map(|hints| hints.num_attention_heads))?,
        image_size: side * patch_size,
        patch_size,
        hidden_act: hints.as_ref().map_or(Activation::QuickGelu, |hints| hints.hidden_act),
        layer_norm_eps: hints.as_ref().map_or(1e-5, |hints| hints.layer_norm_eps),
    })
}

/// One tower's tensors.
struct Tower<'a> {
    name: &'a str,
    index: &'a WeightIndex,
    prefix: String,
}

impl Tower<'_> {
    fn shape(&self, key: &str) -> Result<&[usize], ConfigError> {
        let key = format!("{}{key}", self.prefix);
        let missing = || clip_error(self.name, format!("{} holds no tensor `{key}`", self.index.file()));
        self.index.shape(&key).ok_or_else(missing)
    }

    fn matrix(&self, key: &str) -> Result<[usize; 2], ConfigError> {
        let shape = self.shape(key)?;
        shape
            .try_into()
            .map_err(|_not_two| clip_error(self.name, format!("`{key}` has shape {shape:?}, a matrix is needed")))
    }

    fn layers(&self) -> usize {
        let has = |layer: &usize| self.shape(&format!("encoder.layers.{layer}.mlp.fc1.weight")).is_ok();
        (0..10_000).take_while(has).count()
    }

    fn heads(&self, width: usize, known: Option<usize>) -> Result<usize, ConfigError> {
        match known {
            Some(heads) if heads > 0 && width.is_multiple_of(heads) => Ok(heads),
            Some(heads) => {
                Err(clip_error(self.name, format!("its config.json says {heads} heads, its width is {width}")))
            }
            None if width.is_multiple_of(64) && width > 0 => Ok(width / 64),
            None => Err(clip_error(
                self.name,
                format!(
                    "the number of heads of a tower of width {width} cannot be known; put CLIP's config.json into a folder `clip` in the checkpoint"
                ),
            )),
        }
    }
}

/// Pictures must have exactly the tower's size, because CLIP's positions are not interpolated.
fn checked(clip: ClipConfig, config: &PolicyConfig) -> Result<ClipConfig, ConfigError> {
    for (heads, width) in [(clip.text_config.num_attention_heads, clip.text_config.hidden_size)]
        .into_iter()
        .chain(clip.vision_config.as_ref().map(|vision| (vision.num_attention_heads, vision.hidden_size)))
    {
        if heads == 0 || !width.is_multiple_of(heads) {
            return Err(clip_error(
                &config.text.text_encoder_name,
                format!("{heads} heads do not divide a width of {width}"),
            ));
        }
    }
    if config.text.tokenizer_max_length > clip.text_config.max_position_embeddings {
        let (length, most) = (config.text.tokenizer_max_length, clip.text_config.max_position_embeddings);
        return Err(clip_error(
            &config.text.text_encoder_name,
            format!("it takes {most} tokens, tokenizer_max_length is {length}"),
        ));
    }
    if let (Some(vision), Some(camera)) = (&clip.vision_config, config.cameras.first()) {
        let size = config.image.output([camera.height, camera.width]);
        if size != [vision.image_size; 2] {
            let side = vision.image_size;
            return Err(clip_error(
                &config.vision.vision_encoder_name,
                format!(
                    "it takes pictures of {side} x {side}, but resize and crop give {} x {}; set image_crop_shape to [{side},{side}], and image_resize_shape when the camera is smaller or much larger",
                    size[0], size[1]
                ),
            ));
        }
    }
    Ok(clip)
}

fn unknown(name: &str) -> ConfigError {
    let known: Vec<&str> = preset_names().collect();
    clip_error(
        name,
        format!(
            "no model of that name is known, and no folder of that name holds a config.json; known are {}",
            known.join(", ")
        ),
    )
}

fn clip_error(name: &str, reason: String) -> ConfigError {
    ConfigError::Clip { name: name.to_owned(), reason }
}
