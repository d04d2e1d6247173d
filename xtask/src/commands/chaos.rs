use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use jepa_core::checkpoint::{Disk, load_latest};
use jepa_core::random::{Draw as _, Purpose, Stream};
use jepa_core::{Error, Result};

use super::say;

/// SIGKILL at random moments of a small run; every run is then resumed to its end and compared, bit by bit, with one
/// that was left alone.
#[derive(Args)]
pub(crate) struct Chaos {
    /// Kills
    #[arg(long, default_value_t = 200)]
    pub(super) kills: u64,
    /// Seed of the moments
    #[arg(long, default_value_t = 0)]
    pub(super) seed: u64,
}

impl Chaos {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let scratch = tempfile::tempdir().map_err(Error::io("create", std::env::temp_dir()))?;
        // A copy of this program, so that building it anew meanwhile does no harm.
        let program = scratch.path().join("xtask");
        let this = std::env::current_exe().map_err(Error::io("find", "this program"))?;
        std::fs::copy(&this, &program).map_err(Error::io("copy", &this))?;
        let runner = Runner { program };
        let whole = scratch.path().join("whole");
        let clock = Instant::now();
        runner.finish(&whole, false)?;
        let usual = clock.elapsed();
        let expected = files(&whole)?;

        let mut moments = Stream::new(self.seed, Purpose::Test, 0, 0);
        let (mut killed, mut equal) = (0, 0);
        let mut run = 0;
        while killed < self.kills {
            let out = scratch.path().join(format!("run-{run}"));
            run += 1;
            let mut resume = false;
            // One run is killed again and again until it gets through.
            loop {
                let mut child = runner.start(&out, resume)?;
                let pause = usual.mul_f32(moments.uniform());
                let ended = wait(&mut child, pause)?;
                if ended || killed == self.kills {
                    child.wait().map_err(Error::io("wait for", &out))?;
                    break;
                }
                child.kill().map_err(Error::io("kill", &out))?;
                child.wait().map_err(Error::io("wait for", &out))?;
                killed += 1;
                // Killed before it began: there is nothing to resume.
                resume = out.join("run.json").exists();
                if !resume {
                    let _ = std::fs::remove_dir_all(&out);
                }
            }
            if !out.join("run.json").exists() || !is_finished(&out) {
                runner.finish(&out, out.join("run.json").exists())?;
            }
            let found = files(&out)?;
            let differing: Vec<&String> =
                expected.iter().filter(|(name, bytes)| found.get(*name) != Some(bytes)).map(|(n, _)| n).collect();
            if differing.is_empty() {
                equal += 1;
            } else {
                eprintln!("run {run}: {differing:?} differ from the uninterrupted run");
            }
            let _ = std::fs::remove_dir_all(&out);
        }
        say!("{killed} kills over {run} runs: {equal} of {run} ended bit-equal to the uninterrupted run");
        Ok(if equal == run { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn is_finished(out: &Path) -> bool {
    jepa_core::runlog::read_info(out).is_ok_and(|i| i.state == jepa_core::runlog::RunState::Finished)
}

struct Runner {
    program: PathBuf,
}

impl Runner {
    fn start(&self, out: &Path, resume: bool) -> Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(["train", "i-jepa", "--device", "cpu", "--no-probes", "--replicas", "2", "--out"]).arg(out);
        if resume {
            command.arg("--resume");
        } else {
            command.args(["--preset", "tiny", "--set", "run.checkpoint_every=5", "--set", "run.diagnose_every=0"]);
        }
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(Error::io("start", &self.program))
    }

    fn finish(&self, out: &Path, resume: bool) -> Result<()> {
        let status = self.start(out, resume)?.wait().map_err(Error::io("wait for", out))?;
        if status.success() {
            Ok(())
        } else {
            Err(Error::Engine(format!("the run in `{}` ended with {status}", out.display())))
        }
    }
}

/// Whether the child ended by itself within `pause`.
fn wait(child: &mut Child, pause: Duration) -> Result<bool> {
    let until = Instant::now() + pause;
    while Instant::now() < until {
        if child.try_wait().map_err(Error::io("wait for", "a run"))?.is_some() {
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(false)
}

fn files(out: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    Ok(load_latest(&Disk, &out.join("checkpoints"))?.files)
}
