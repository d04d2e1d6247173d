//! Training processes that this app has started. They go on when the app ends, whatever way it ends: their output goes
//! to a file in the run folder, not to a pipe, and they belong to a process group of their own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jepa_core::{Error, Result};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, Signal, System};

/// File inside a run folder that holds what its process wrote to the terminal.
pub const TERMINAL: &str = "terminal.log";

/// How long a process may take to save after it was asked to stop, before a kill is offered.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program that trains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// How a person calls it: "cargo xtask", or the path.
    pub shown: String,
}

impl Program {
    /// The program named by `JEPA_XTASK`, else one called `xtask` beside this one.
    pub fn find() -> Option<Self> {
        if let Some(path) = std::env::var_os("JEPA_XTASK").filter(|path| !path.is_empty()) {
            return Some(Self { path: path.into(), shown: "cargo xtask".into() });
        }
        let here = std::env::current_exe().ok()?;
        let path = here.with_file_name(format!("xtask{}", std::env::consts::EXE_SUFFIX));
        path.is_file().then(|| Self { shown: path.display().to_string(), path })
    }

    /// A command line as a person would type it.
    pub fn line(&self, arguments: &[String]) -> String {
        let words = arguments.iter().map(|word| shell(word));
        std::iter::once(self.shown.clone()).chain(words).collect::<Vec<_>>().join(" ")
    }
}

/// A word as a POSIX shell needs it.
pub fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[derive(Debug)]
struct Running {
    out: PathBuf,
    child: Child,
    asked: Option<Instant>,
}

/// A process that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its run folder.
    pub out: PathBuf,
    /// Whether it did what it was asked to, a stop on request included.
    pub well: bool,
    /// Its last lines, when it did not.
    pub last_words: String,
}

/// The processes started here.
#[derive(Debug, Default)]
pub struct Children {
    running: Vec<Running>,
}

/// Exit code of a run that was stopped on request.
const INTERRUPTED: i32 = 130;

impl Children {
    /// Starts the program; the run will be in `out`.
    pub fn start(&mut self, program: &Program, arguments: &[String], out: &Path) -> Result<()> {
        std::fs::create_dir_all(out).map_err(Error::io("create", out))?;
        let path = out.join(TERMINAL);
        let log = File::options().create(true).append(true).open(&path).map_err(Error::io("create", &path))?;
        let errors = log.try_clone().map_err(Error::io("open", &path))?;
        let mut command = Command::new(&program.path);
        command.args(arguments).stdin(Stdio::null()).stdout(log).stderr(errors);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().map_err(Error::io("start", &program.path))?;
        self.running.push(Running { out: out.to_owned(), child, asked: None });
        Ok(())
    }

    /// Those that have ended since the last call.
    pub fn poll(&mut self) -> Vec<Ended> {
        let mut ended = Vec::new();
        self.running.retain_mut(|running| {
            let Ok(Some(status)) = running.child.try_wait() else { return true };
            let well = status.success() || status.code() == Some(INTERRUPTED);
            let last_words = if well { String::new() } else { last_lines(&running.out.join(TERMINAL), 12) };
            ended.push(Ended { out: running.out.clone(), well, last_words });
            false
        });
        ended
    }

    /// Run folders whose process was started here and has not ended.
    pub fn running(&self) -> impl Iterator<Item = &Path> {
        self.running.iter().map(|r| r.out.as_path())
    }

    /// The process of a run: ours, or whoever holds its lock.
    pub fn process(&self, run: &Path) -> Option<u32> {
        let ours = self.running.iter().find(|r| r.out == run).map(|r| r.child.id());
        ours.or_else(|| super::holder(run))
    }

    /// Asks a run to save and end, as Ctrl-C in its terminal would.
    pub fn stop(&mut self, run: &Path) -> Result<()> {
        let gone = || Error::config(run.display().to_string(), "no process trains in this folder any more");
        let process = self.process(run).ok_or_else(gone)?;
        signal(process, Signal::Interrupt)?;
        if let Some(running) = self.running.iter_mut().find(|r| r.out == run) {
            running.asked.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    /// Whether a run was asked to stop, and whether it has had time enough.
    pub fn stopping(&self, run: &Path) -> Option<bool> {
        let asked = self.running.iter().find(|r| r.out == run)?.asked?;
        Some(asked.elapsed() > PATIENCE)
    }

    /// Ends a process of ours at once; its last checkpoint stays.
    pub fn kill(&mut self, run: &Path) -> Result<()> {
        match self.running.iter_mut().find(|r| r.out == run) {
            Some(running) => running.child.kill().map_err(|e| Error::Engine(format!("it cannot be ended: {e}"))),
            None => Err(Error::config(run.display().to_string(), "was not started by this window")),
        }
    }
}

fn signal(process: u32, signal: Signal) -> Result<()> {
    let (mut system, id) = (System::new(), Pid::from_u32(process));
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[id]), true, ProcessRefreshKind::nothing());
    match system.process(id).and_then(|p| p.kill_with(signal)) {
        Some(true) => Ok(()),
        Some(false) => Err(Error::Engine(format!("process {process} does not take the signal"))),
        None => Err(Error::Engine(format!("process {process} is gone, or this system has no such signal"))),
    }
}

/// The last lines of a text file, of its last 16 KiB at most.
pub fn last_lines(path: &Path, count: usize) -> String {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(16 << 10)))?;
        let mut bytes = Vec::new();
        file.take(16 << 10).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = String::from_utf8_lossy(&read().unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_a_shell_needs_them() {
        for (word, quoted) in [
            ("i-jepa", "i-jepa"),
            ("a.b=4", "a.b=4"),
            ("", "''"),
            ("two words", "'two words'"),
            ("it's", r"'it'\''s'"),
            ("[0.1, 2]", "'[0.1, 2]'"),
            ("$HOME", "'$HOME'"),
        ] {
            assert_eq!(shell(word), quoted);
        }
    }

    #[cfg(unix)]
    mod processes {
        use super::*;

        fn sh() -> Program {
            Program { path: "/bin/sh".into(), shown: "sh".into() }
        }

        fn wait(children: &mut Children) -> Ended {
            let clock = Instant::now();
            loop {
                if let Some(ended) = children.poll().pop() {
                    return ended;
                }
                assert!(clock.elapsed() < Duration::from_secs(20), "it does not end");
                std::thread::sleep(Duration::from_millis(5));
            }
        }

        fn script(text: &str) -> Vec<String> {
            vec!["-c".into(), text.into()]
        }

        #[test]
        fn a_failure_tells_its_last_words_and_a_missing_program_is_an_error() {
            let folder = tempfile::tempdir().unwrap();
            let mut children = Children::default();
            children.start(&sh(), &script("echo lost the data >&2; exit 3"), folder.path()).unwrap();
            let ended = wait(&mut children);
            assert!(!ended.well && ended.last_words.contains("lost the data"));
            let nowhere = Program { path: folder.path().join("nowhere"), shown: String::new() };
            assert!(children.start(&nowhere, &[], folder.path()).unwrap_err().to_string().contains("nowhere"));
        }

        #[test]
        fn a_stop_is_the_terminals_and_a_process_that_ignores_it_can_be_killed() {
            let folder = tempfile::tempdir().unwrap();
            let mut children = Children::default();
            let ready = folder.path().join("ready");
            let trap = |what: &str| script(&format!("trap '{what}' INT; touch ready; while :; do sleep 0.05; done"));
            for (what, stops) in [("exit 130", true), (":", false)] {
                let _ = std::fs::remove_file(&ready);
                let mut arguments = trap(what);
                arguments[1] = format!("cd '{}'; {}", folder.path().display(), arguments[1]);
                children.start(&sh(), &arguments, folder.path()).unwrap();
                while !ready.exists() {
                    std::thread::sleep(Duration::from_millis(5));
                }
                assert_eq!(children.stopping(folder.path()), None);
                children.stop(folder.path()).unwrap();
                assert_eq!(children.stopping(folder.path()), Some(false));
                if !stops {
                    std::thread::sleep(Duration::from_millis(200));
                    assert!(children.poll().is_empty(), "it ignores the signal");
                    children.kill(folder.path()).unwrap();
                }
                assert_eq!(wait(&mut children).well, stops);
            }
            assert!(children.stop(folder.path()).is_err(), "nobody is left to stop");
        }
    }
}
