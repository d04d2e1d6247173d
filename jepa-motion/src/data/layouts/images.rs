//! Still pictures, flat or in a folder a class: for the content branch, and labelled for probes. As a pair a picture is
//! its own next frame, and its flow zero.

use std::path::{Path, PathBuf};

use jepa_core::data::{Source, Split, file, part};
use jepa_core::error::{Error, Result};
use jepa_core::picture::Picture;

use crate::data::{Flow, FramePair, Truth, formats};

/// Pictures in files.
#[derive(Debug)]
pub struct Stills {
    spec: String,
    images: Vec<(PathBuf, Option<u32>)>,
    classes: Vec<String>,
    note: &'static str,
}

impl Stills {
    /// Opens one part: of `train/` and `test/` (or `val/`), or all but one picture in ten and these.
    pub fn open(root: &Path, split: Split) -> Result<Self> {
        let spec = root.display().to_string();
        let train = root.join("train");
        let test = ["test", "val"].map(|name| root.join(name)).into_iter().find(|folder| folder.is_dir());
        let (folder, held_out) = match (train.is_dir(), split, test) {
            (true, Split::Test, Some(test)) => (test, false),
            (true, Split::Train, Some(_)) => (train, false),
            (true, _, None) => (train, true),
            (false, ..) => (root.to_owned(), true),
        };
        let listing = file::list(&folder)?;
        let (mut images, mut classes) = (Vec::new(), Vec::new());
        for class in listing.folders {
            let mut found = Vec::new();
            collect(&class, &mut found)?;
            if !found.is_empty() {
                images.extend(found.into_iter().map(|path| (path, Some(classes.len() as u32))));
                classes.push(file::name(&class));
            }
        }
        if classes.is_empty() {
            images = listing.files.into_iter().filter(|f| formats::is_frame(f)).map(|path| (path, None)).collect();
        }
        if images.is_empty() {
            let problem = format!("`{}` holds no pictures, nor folders with pictures", folder.display());
            return Err(Error::data(spec, problem));
        }
        if held_out {
            let kept = part::nonempty(&spec, images.len(), split)?;
            images = kept.into_iter().filter_map(|i| images.get(i as usize).cloned()).collect();
        }
        Ok(Self { spec, images, classes, note: if held_out { part::RULE } else { "parts by folder" } })
    }

    /// Number of pictures.
    pub fn count(&self) -> usize {
        self.images.len()
    }

    /// Reads picture `index`.
    pub fn picture(&self, index: usize) -> Result<Picture> {
        let problem = || format!("there is no picture with index {index}, only {}", self.images.len());
        let (path, _) = self.images.get(index).ok_or_else(|| Error::data(&self.spec, problem()))?;
        formats::read_frame(path)
    }
}

impl Source for Stills {
    type Sample = FramePair;

    fn len(&self) -> usize {
        self.images.len()
    }

    fn read(&self, index: usize) -> Result<FramePair> {
        let picture = self.picture(index)?;
        let (width, height) = (picture.width, picture.height);
        let flow = Flow::whole(width, height, vec![[0.0; 2]; width * height])?;
        FramePair::new(picture.clone(), picture, Some(Truth { flow, occluded: None }))
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.images.get(index)?.1
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        self.images.get(index).map_or_else(|| format!("picture {index}"), |(path, _)| path.display().to_string())
    }

    fn describe(&self) -> String {
        let classes = match self.classes.len() {
            0 => "without labels".to_owned(),
            n => format!("in {n} classes"),
        };
        format!("still pictures `{}`: {} {classes}; {}", self.spec, self.images.len(), self.note)
    }
}

fn collect(folder: &Path, images: &mut Vec<PathBuf>) -> Result<()> {
    let listing = file::list(folder)?;
    images.extend(listing.files.into_iter().filter(|file| formats::is_frame(file)));
    for folder in listing.folders {
        collect(&folder, images)?;
    }
    Ok(())
}
