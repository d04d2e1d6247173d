//! Turns KiCad's models of electronic parts into clouds with classes, split so that a test says something.
//!
//! ```sh
//! apt-get download kicad-packages3d && dpkg -x kicad-packages3d_*.deb kicad      # Debian; 379 MB, unpacked 3 GB
//! cargo run -p jepa-point --example kicad -- kicad/usr/share/kicad/3dmodels clouds
//! cargo xtask train point-jepa --data clouds/family
//! ```
//!
//! Models come in parametric families: one name, many sizes. `clouds/family` keeps every family on one side of the split,
//! `clouds/random` does not and shows how much that flatters. A class is a folder with 40 models or more; pin headers,
//! sockets and Phoenix connectors, which are one shape repeated, are left out. Clouds have 2,048 points, y pointing up.
//!
//! The models are under CC-BY-SA 4.0 with an exception that does not cover a collection: make the clouds, do not pass
//! them on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jepa_core::error::{Error, Result};
use jepa_core::random::{Draw as _, Purpose, Stream};
use jepa_point::data::Shape;
use npyz::WriterBuilder as _;
use rayon::prelude::*;

const POINTS: usize = 2048;
/// Fewest models of a class.
const FEWEST: usize = 40;
/// Largest share of a class's models that is held out.
const HELD_OUT: f64 = 0.3;
/// Beginnings of the names of folders with one shape repeated.
const REPEATED: [&str; 2] = ["Connector_Pin", "Connector_Phoenix"];

/// One model file.
struct Model {
    path: PathBuf,
    class: String,
    name: String,
}

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [models, out] = arguments.as_slice() else {
        eprintln!("usage: kicad <folder 3dmodels> <folder to write>");
        return ExitCode::FAILURE;
    };
    match convert(models, out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn convert(models: &Path, out: &Path) -> Result<()> {
    let classes = classes(models)?;
    let mut families = 0;
    let mut written = [[0; 2]; 2];
    for (number, (class, models)) in classes.iter().enumerate() {
        let clouds: Vec<Option<Vec<f32>>> = models.par_iter().map(|model| cloud(model).ok()).collect();
        let of: Vec<String> = models.iter().map(|model| family(&model.name)).collect();
        let by_family = held_out_families(&of, number as u64);
        let at_random = held_out_models(models.len(), number as u64);
        let unread = clouds.iter().filter(|cloud| cloud.is_none()).count();
        let mut distinct = of.clone();
        distinct.sort();
        distinct.dedup();
        families += distinct.len();
        println!("{class:<28} {:>4} models, {:>3} families, {unread} unreadable", models.len(), distinct.len());
        for (kind, (split, test)) in [("family", by_family), ("random", at_random)].into_iter().enumerate() {
            for ((model, cloud), test) in models.iter().zip(&clouds).zip(test) {
                let Some(cloud) = cloud else { continue };
                let part = if test { "test" } else { "train" };
                written[kind][usize::from(test)] += 1;
                write(&out.join(split).join(part).join(&model.class).join(format!("{}.npy", model.name)), cloud)?;
            }
        }
    }
    println!("{} classes, {families} families", classes.len());
    for (split, [train, test]) in ["family", "random"].into_iter().zip(written) {
        println!("{}: {train} training and {test} test clouds", out.join(split).display());
    }
    Ok(())
}

/// Models of every class that is used, by name.
fn classes(root: &Path) -> Result<BTreeMap<String, Vec<Model>>> {
    let mut classes: BTreeMap<String, Vec<Model>> = BTreeMap::new();
    for folder in list(root)? {
        let class = stem(&folder);
        if REPEATED.iter().any(|start| class.starts_with(start)) || !folder.is_dir() {
            continue;
        }
        let files = list(&folder)?.into_iter().filter(|path| path.extension().is_some_and(|end| end == "wrl"));
        let models = files.map(|path| Model { name: stem(&path), class: class.clone(), path });
        classes.insert(class.clone(), models.collect());
    }
    classes.retain(|_, models| models.len() >= FEWEST);
    if classes.is_empty() {
        return Err(Error::data(root.display().to_string(), "has no folder NAME.3dshapes with 40 models in .wrl"));
    }
    Ok(classes)
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    Ok(paths)
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The words of a name: what is left without numbers and signs.
fn family(name: &str) -> String {
    let letters = |c: char| if c.is_alphabetic() { c } else { ' ' };
    name.chars().map(letters).collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whole families in random order, as long as the share held out stays within its limit and one is left.
fn held_out_families(families: &[String], class: u64) -> Vec<bool> {
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    families.iter().for_each(|family| *sizes.entry(family).or_default() += 1);
    let names: Vec<&str> = sizes.keys().copied().collect();
    let (mut held, mut count) = (Vec::new(), 0);
    for at in Stream::new(0, Purpose::Probe, class, 21).permutation(names.len()) {
        let name = names[at as usize];
        if (count + sizes[name]) as f64 <= HELD_OUT * families.len() as f64 {
            count += sizes[name];
            held.push(name);
        }
    }
    families.iter().map(|family| held.contains(&family.as_str())).collect()
}

/// The same share of single models.
fn held_out_models(count: usize, class: u64) -> Vec<bool> {
    let mut held = vec![false; count];
    let order = Stream::new(0, Purpose::Probe, class, 22).permutation(count);
    order.into_iter().take((HELD_OUT * count as f64) as usize).for_each(|at| held[at as usize] = true);
    held
}

/// Points of a model, [points, 3]; KiCad's z points up.
fn cloud(model: &Model) -> Result<Vec<f32>> {
    let cloud = Shape::read(&model.path)?.cloud(POINTS, &mut Stream::new(0, Purpose::Synthesis, 0, 23))?;
    Ok(cloud.points().iter().flat_map(|[x, y, z]| [*x, *z, -*y]).collect())
}

fn write(path: &Path, values: &[f32]) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let file = std::fs::File::create(path).map_err(Error::io("write", path))?;
    let options = npyz::WriteOptions::new().default_dtype().shape(&[POINTS as u64, 3]);
    let mut writer = options.writer(std::io::BufWriter::new(file)).begin_nd().map_err(Error::io("write", path))?;
    writer.extend(values.iter().copied()).and_then(|()| writer.finish()).map_err(Error::io("write", path))
}
