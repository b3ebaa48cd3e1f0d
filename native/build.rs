//! Puts into the program what it should have with it wherever it is: the built page, when there is one, for `mtdit publish`, and
//! the towers that policies of the tabletop start from.

#[path = "src/publish/listing.rs"]
mod listing;

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::Compression;
use flate2::write::ZlibEncoder;

/// Where Trunk puts the page, seen from this package.
const WEB: &str = "../web";
/// The weights of the towers, seen from this package.
const TOWERS: &str = "../models/tabletop-clip/model.safetensors";

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed={TOWERS}");
    fs::write(out.join("towers"), compressed(&fs::read(TOWERS)?)?)?;
    embed_page(&out)
}

fn embed_page(out: &Path) -> Result<(), Box<dyn Error>> {
    let web = Path::new(WEB);
    let dist = web.join("dist");
    // Cargo would run this script again and again for a folder that is not there.
    let watched = if dist.is_dir() { &dist } else { web };
    println!("cargo::rerun-if-changed={}", watched.display());
    println!("cargo::rustc-check-cfg=cfg(embedded_page)");

    let mut list = String::from("&[\n");
    if dist.join("index.html").is_file() {
        println!("cargo::rustc-cfg=embedded_page");
        fs::create_dir_all(out.join("page"))?;
        for (i, file) in listing::files(&dist)?.iter().enumerate() {
            fs::write(out.join("page").join(i.to_string()), compressed(&fs::read(dist.join(file))?)?)?;
            let bytes = format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/page/{i}\"))");
            list.push_str(&format!("    ({file:?}, {bytes} as &[u8]),\n"));
        }
    }
    list.push_str("]\n");
    fs::write(out.join("page.rs"), list)?;
    Ok(())
}

/// A third of the size for WebAssembly, and quickly undone.
fn compressed(bytes: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}
