//! The dependency arrows of `crates/README.md`, read from Cargo itself.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// All arrows there are.
const ARROWS: [(&str, &[&str]); 7] = [
    ("mtdit-policy", &[]),
    ("mtdit-data", &[]),
    ("mtdit-train", &["mtdit-data", "mtdit-policy"]),
    ("mtdit-tabletop", &[]),
    ("mtdit-web", &["mtdit-policy", "mtdit-tabletop"]),
    ("mtdit", &["mtdit-data", "mtdit-policy", "mtdit-tabletop", "mtdit-train", "mtdit-web"]),
    ("mtdit-tests", &["mtdit-data", "mtdit-policy", "mtdit-train", "mtdit-web"]),
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn packages_depend_on_each_other_as_drawn() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    assert_eq!(packages.len(), ARROWS.len(), "a new package needs a row here and in crates/README.md");
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let (_, drawn) = ARROWS.iter().find(|(of, _)| *of == name).unwrap_or_else(|| panic!("{name} is not drawn"));
        let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
        let found: BTreeSet<&str> = dependencies
            .filter(|dependency| dependency["kind"].is_null())
            .filter_map(|dependency| dependency["name"].as_str())
            .filter(|dependency| dependency.starts_with("mtdit"))
            .collect();
        assert_eq!(found, drawn.iter().copied().collect(), "arrows of {name}");
    }
}

#[test]
fn only_the_leaves_name_a_backend() {
    let metadata = metadata();
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        let burn = package["dependencies"].as_array().expect("dependencies").iter().find(|d| d["name"] == "burn");
        let Some(burn) = burn else { continue };
        let features: Vec<&str> =
            burn["features"].as_array().expect("features").iter().filter_map(Value::as_str).collect();
        let allowed: &[&str] = match name {
            // The browser has its two backends, and no others could be chosen there.
            "mtdit-web" => &["std", "flex", "simd", "webgpu"],
            "mtdit-train" => &["std", "autodiff"],
            _ => &["std"],
        };
        assert_eq!(features, allowed, "{name} may choose backends only through its own features");
    }
}
