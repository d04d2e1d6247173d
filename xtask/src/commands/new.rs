use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use jepa_core::{Error, Result};

/// The example that `jepa-core` builds and tests is what a new crate begins from.
const VARIANT: &str = include_str!("../../../jepa-core/examples/time_series/variant.rs");
const DATA: &str = include_str!("../../../jepa-core/examples/time_series/data.rs");

/// Writes a new modality crate into this workspace: it compiles, trains on its own small synthetic data, keeps the
/// conformance suite's promises and is listed everywhere. What it reads and how it cuts a sample is yours to change.
#[derive(Args)]
pub(crate) struct New {
    /// Name of the modality: lower-case letters, digits, hyphens
    modality: String,
}

/// A file and the texts put into it, each right behind words that are already there.
struct Edit {
    file: PathBuf,
    insertions: Vec<(&'static str, String)>,
}

impl New {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let name = &self.modality;
        let sound = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !name.ends_with('-')
            && !name.contains("--");
        if !sound {
            let problem = "expected lower-case letters, digits and single hyphens, as in `audio` or `brain-waves`";
            return Err(Error::config(name.clone(), problem));
        }
        let root = workspace()?;
        let folder = root.join(format!("jepa-{name}"));
        if folder.exists() {
            return Err(Error::config(folder.display().to_string(), "is there already; choose another name"));
        }
        // Everything is worked out before anything is written.
        let edits = edits(&root, name);
        let edited = edits.iter().map(Edit::apply).collect::<Result<Vec<_>>>()?;
        for (path, text) in files(name) {
            write(&folder.join(path), &text)?;
        }
        for (edit, text) in edits.iter().zip(edited) {
            write(&edit.file, &text)?;
        }
        eprintln!("wrote {}; next:", folder.display());
        eprintln!("  cargo xtask train {name}-jepa --preset tiny");
        eprintln!("  cargo test --package jepa-{name}");
        eprintln!("then give src/data.rs your samples and src/variants/{}_jepa.rs your tokens", snake(name));
        Ok(ExitCode::SUCCESS)
    }
}

/// The folder of the workspace: the nearest one upwards that holds `jepa-core` and `xtask`.
fn workspace() -> Result<PathBuf> {
    let here = std::env::current_dir().map_err(Error::io("find", "the current folder"))?;
    let is_root = |folder: &&Path| folder.join("jepa-core/Cargo.toml").is_file() && folder.join("xtask").is_dir();
    here.ancestors()
        .find(is_root)
        .map(Path::to_owned)
        .ok_or_else(|| Error::config(here.display().to_string(), "is not inside this project's workspace"))
}

fn snake(name: &str) -> String {
    name.replace('-', "_")
}

/// `brain-waves` as `BrainWaves`.
fn pascal(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
    };
    name.split('-').map(word).collect()
}

fn files(name: &str) -> [(String, String); 6] {
    let (snake, pascal) = (snake(name), pascal(name));
    let variant = VARIANT
        .replace("I-JEPA on time series: the visible stretches of a window predict the features of its hidden ones.", &format!("# {pascal}-JEPA\n//!\n//! **Idea**: the visible stretches of a window predict the features of its hidden ones.\n//!\n//! **x** the visible stretches; **y** the hidden ones, of the target encoder's output; **z** their positions; **D** smooth\n//! L1; **against collapse** the EMA and the stopped gradient."))
        .replace("SeriesJepa", &format!("{pascal}Jepa"))
        .replace("SeriesConfig", &format!("{pascal}Config"))
        .replace("Series-JEPA", &format!("{pascal}-JEPA"))
        .replace("series-jepa", &format!("{name}-jepa"))
        .replace("\"time series\"", &format!("\"{name}\""))
        // The example lies beside its data, a variant a folder deeper.
        .replace("use super::data", "use crate::data")
        .replace("of a time series", "of a window");
    let manifest = format!(
        "[package]\nname = \"jepa-{name}\"\ndescription = \"Joint-embedding prediction on {name}.\"\nversion.workspace = true\nedition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\nrepository.workspace = true\n\n[lints]\nworkspace = true\n\n[dependencies]\nburn.workspace = true\njepa-core.workspace = true\nschemars.workspace = true\nserde.workspace = true\n"
    );
    let map = format!(
        "//! Joint-embedding prediction on {name}.\n//!\n//! | room | holds |\n//! |---|---|\n//! | `data` | formats and the built-in synthetic windows |\n//! | `variants` | one variant a file |\n//!\n//! Linking this crate registers its variants.\n\nmod data;\nmod variants;\n"
    );
    let conformance = format!(
        "//! {pascal}-JEPA is held to the promises of every variant.\n\n#![allow(clippy::unwrap_used)]\n\nuse jepa_{snake} as _;\n\n#[test]\nfn {snake}_jepa_keeps_every_promise_of_the_conformance_suite() {{\n    let kept = jepa_core::plugin::find(\"{name}-jepa\").unwrap().conformance().unwrap();\n    assert!(kept.len() >= 9, \"{{kept:?}}\");\n}}\n"
    );
    [
        ("Cargo.toml".into(), manifest),
        ("src/lib.rs".into(), map),
        ("src/data.rs".into(), DATA.to_owned()),
        ("src/variants/mod.rs".into(), format!("//! One variant a file.\n\nmod {snake}_jepa;\n")),
        (format!("src/variants/{snake}_jepa.rs"), variant),
        ("tests/conformance.rs".into(), conformance),
    ]
}

fn edits(root: &Path, name: &str) -> [Edit; 5] {
    let edit = |file: &str, insertions| Edit { file: root.join(file), insertions };
    let registered = "linking them registers their variants.\n";
    [
        edit(
            "Cargo.toml",
            vec![
                ("members = [", format!("\"jepa-{name}\", ")),
                ("default-members = [", format!("\"jepa-{name}\", ")),
                ("[workspace.dependencies]\n", format!("jepa-{name} = {{ path = \"jepa-{name}\" }}\n")),
            ],
        ),
        edit("xtask/Cargo.toml", vec![("[dependencies]\n", format!("jepa-{name}.workspace = true\n"))]),
        edit("xtask/src/main.rs", vec![(registered, format!("use jepa_{} as _;\n", snake(name)))]),
        edit("jepa-gui/Cargo.toml", vec![("[dependencies]\n", format!("jepa-{name}.workspace = true\n"))]),
        edit("jepa-gui/src/main.rs", vec![(registered, format!("use jepa_{} as _;\n", snake(name)))]),
    ]
}

impl Edit {
    fn apply(&self) -> Result<String> {
        let mut text = std::fs::read_to_string(&self.file).map_err(Error::io("read", &self.file))?;
        for (behind, new) in &self.insertions {
            let Some(at) = text.find(behind) else {
                return Err(Error::format(&self.file, format!("has no line `{}`", behind.trim())));
            };
            text.insert_str(at + behind.len(), new);
        }
        Ok(text)
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    std::fs::write(path, text).map_err(Error::io("write", path))
}
