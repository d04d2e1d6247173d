//! Where features come from: a file, or a checkpoint that a child process embeds; its file is kept beside the run.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use jepa_core::plugin::{self, Plugin, Settings};

use super::table::Table;
use crate::jobs::Worker;
use crate::shared::name_of;

/// Where features come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A file of features.
    File(PathBuf),
    /// A checkpoint of a run, and the data it embeds.
    Run(RunPart),
}

/// A checkpoint and what it embeds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunPart {
    /// The run folder.
    pub run: PathBuf,
    /// Steps of the checkpoint; absent: weights without steps, such as imported ones.
    pub step: Option<u64>,
    /// Data specification.
    pub data: String,
    /// "train" or "test".
    pub split: &'static str,
}

impl Origin {
    /// A short name for captions.
    pub fn title(&self) -> String {
        match self {
            Self::File(path) => name_of(path),
            Self::Run(RunPart { run, step: Some(step), .. }) => format!("{} at step {step}", name_of(run)),
            Self::Run(part) => name_of(&part.run),
        }
    }

    /// Reads the features; those of a run are embedded first when nobody has done so yet. Called in a job.
    pub fn load<T: Send + 'static>(&self, program: Option<&Path>, worker: &Worker<T>) -> Result<Table, String> {
        let path = match self {
            Self::File(path) => path.clone(),
            Self::Run(part) => part.embed(program, worker)?,
        };
        worker.progress(None::<f32>, "Reading the features");
        Table::read(&path).map_err(|e| e.to_string())
    }
}

impl RunPart {
    /// The newest checkpoint of a run with the data it was trained on.
    pub fn newest(run: &Path) -> Self {
        let data = data_of(run).unwrap_or_else(|| "builtin".to_owned());
        Self { run: run.to_owned(), step: checkpoints(run).last().copied(), data, split: "train" }
    }

    /// The folder with the weights.
    pub fn weights(&self) -> PathBuf {
        match self.step {
            Some(step) => self.run.join("checkpoints").join(format!("step-{step:09}")),
            None => self.run.clone(),
        }
    }

    /// The file that holds the features once they are embedded: one for each checkpoint, data set and part.
    pub fn cache(&self) -> PathBuf {
        // FNV-1a: the same name in every version of the program.
        let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        let data = self.data.bytes().fold(0x811c_9dc5, mix);
        let step = self.step.map_or_else(|| "weights".to_owned(), |step| format!("step-{step:09}"));
        let name = format!("{step}-{}-{data:08x}.safetensors", self.split);
        self.run.join("samples").join("embeddings").join(name)
    }

    /// The arguments of the command that embeds, as a terminal would give them.
    pub fn arguments(&self) -> Vec<String> {
        let path = |p: PathBuf| p.display().to_string();
        let rest = ["--data", &self.data, "--split", self.split, "--out"].map(str::to_owned);
        let mut arguments = vec!["embed".to_owned(), path(self.weights())];
        arguments.extend(rest);
        arguments.push(path(self.cache()));
        arguments
    }

    /// The variant and the settings that draw samples of the data.
    pub fn pictures(&self) -> jepa_core::Result<(&'static Plugin, Settings)> {
        let plugin = plugin::of_run(&self.weights()).or_else(|_| plugin::of_run(&self.run))?;
        let configs = [self.run.join("config.toml"), self.weights().join("config.toml")];
        let file = configs.into_iter().find(|path| path.is_file());
        Ok((plugin, Settings { file, data: Some(self.data.clone()), ..Settings::default() }))
    }

    fn embed<T: Send + 'static>(&self, program: Option<&Path>, worker: &Worker<T>) -> Result<PathBuf, String> {
        let cache = self.cache();
        if cache.is_file() {
            return Ok(cache);
        }
        let program = program.ok_or(
            "the program that embeds, `xtask`, was not found: build it with `cargo build -p xtask`, or name it in \
             JEPA_XTASK",
        )?;
        worker.progress(None::<f32>, format!("Embedding {} with {}", self.data, Origin::Run(self.clone()).title()));
        let mut child = Command::new(program)
            .args(self.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("`{}` cannot be started: {e}", program.display()))?;
        // Read in a thread of its own: a child that fills the pipe would wait for ever.
        let said = child.stderr.take().map(|mut pipe| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                let _ = pipe.read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            })
        });
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if worker.is_cancelled() => {
                    // It writes by way of a scratch file: whenever it dies, no half file is left under the name.
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err("stopped before the features were there".to_owned());
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(30)),
                Err(error) => return Err(format!("`{}` was lost: {error}", program.display())),
            }
        };
        let said = said.and_then(|reader| reader.join().ok()).unwrap_or_default();
        if status.success() && cache.is_file() {
            return Ok(cache);
        }
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("without a word");
        Err(format!("embedding ended with {status}: {}", last.trim()))
    }
}

/// Steps of the complete checkpoints of a run, ascending.
pub fn checkpoints(run: &Path) -> Vec<u64> {
    let entries = std::fs::read_dir(run.join("checkpoints")).into_iter().flatten().flatten();
    let step = |entry: std::fs::DirEntry| -> Option<u64> {
        let is_whole = entry.path().join("manifest.json").is_file();
        entry.file_name().to_str()?.strip_prefix("step-")?.parse().ok().filter(|_| is_whole)
    };
    let mut steps: Vec<u64> = entries.filter_map(step).collect();
    steps.sort_unstable();
    steps
}

/// What a run was trained on, as it was given.
fn data_of(run: &Path) -> Option<String> {
    let text = std::fs::read_to_string(run.join("config.toml")).ok()?;
    let table: toml::Table = text.parse().ok()?;
    Some(table.get("data")?.get("source")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::jobs::{Job, Update};

    fn run_with(steps: &[u64]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), "[data]\nsource = \"idx:somewhere\"\n").unwrap();
        for step in steps {
            let checkpoint = folder.path().join("checkpoints").join(format!("step-{step:09}"));
            std::fs::create_dir_all(&checkpoint).unwrap();
            std::fs::write(checkpoint.join("manifest.json"), "{}").unwrap();
        }
        std::fs::create_dir_all(folder.path().join("checkpoints/.tmp-step-000000999")).unwrap();
        folder
    }

    fn load(origin: Origin, program: Option<PathBuf>) -> Result<Table, String> {
        let (sender, receiver) = mpsc::channel();
        let _job = Job::start("loads", &egui::Context::default(), move |worker: &Worker<()>| {
            let _ = sender.send(origin.load(program.as_deref(), worker));
            Ok(())
        });
        receiver.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    #[test]
    fn the_newest_whole_checkpoint_and_the_runs_own_data_are_the_first_choice() {
        let folder = run_with(&[1200, 400]);
        assert_eq!(checkpoints(folder.path()), [400, 1200]);
        let part = RunPart::newest(folder.path());
        assert_eq!((part.step, part.data.as_str()), (Some(1200), "idx:somewhere"));
        let line = part.arguments().join(" ");
        assert!(line.starts_with("embed ") && line.contains("step-000001200 --data idx:somewhere --split train --out"));
        let other = RunPart { data: "builtin".into(), ..part.clone() };
        assert_ne!(part.cache(), other.cache());
    }

    #[test]
    fn features_that_were_embedded_before_are_read_without_the_program() {
        let folder = run_with(&[7]);
        let part = RunPart::newest(folder.path());
        let features =
            jepa_core::probe::Features::new(vec![1.0, 2.0], vec![None, None], vec![0, 1], Vec::new()).unwrap();
        jepa_core::probe::write_features(&features, &part.cache()).unwrap();
        assert_eq!(load(Origin::Run(part), None).unwrap().rows(), 2);
    }

    #[test]
    fn a_program_that_is_absent_or_fails_is_said_in_words() {
        let folder = run_with(&[7]);
        let origin = Origin::Run(RunPart::newest(folder.path()));
        assert!(load(origin.clone(), None).unwrap_err().contains("JEPA_XTASK"));
        assert!(load(origin.clone(), Some("/no/such/program".into())).unwrap_err().contains("cannot be started"));
        assert!(load(origin, Some("/bin/false".into())).unwrap_err().contains("embedding ended"));
    }

    /// A shell script stands for the program.
    #[cfg(unix)]
    #[test]
    fn giving_up_ends_the_child() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = run_with(&[7]);
        let (script, started) = (folder.path().join("slow.sh"), folder.path().join("started"));
        std::fs::write(&script, format!("#!/bin/sh\necho $$ > {}\nexec sleep 60\n", started.display())).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let origin = Origin::Run(RunPart::newest(folder.path()));
        let mut job = Job::start("embeds", &egui::Context::default(), move |worker: &Worker<usize>| {
            origin.load(Some(&script), worker).map(|table| table.rows())
        });
        let clock = std::time::Instant::now();
        while std::fs::read_to_string(&started).map_or(true, |text| text.is_empty()) {
            assert!(clock.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(5));
        }
        job.cancel();
        let update = loop {
            if let Some(update) = job.poll() {
                break update;
            }
            assert!(clock.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(matches!(update, Update::Failed(problem) if problem.contains("stopped")));
    }
}
