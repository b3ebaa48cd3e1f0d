//! Puts the built page into the program, when there is one, so that `mtdit publish` needs nothing beside it.

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

fn main() -> Result<(), Box<dyn Error>> {
    let web = Path::new(WEB);
    let dist = web.join("dist");
    // Cargo would run this script again and again for a folder that is not there.
    let watched = if dist.is_dir() { &dist } else { web };
    println!("cargo::rerun-if-changed={}", watched.display());
    println!("cargo::rustc-check-cfg=cfg(embedded_page)");

    let out = PathBuf::from(env::var("OUT_DIR")?);
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
