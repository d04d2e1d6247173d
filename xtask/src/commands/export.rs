use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jepa_core::Result;
use jepa_core::plugin::{self, Format};
use jepa_core::runlog;

#[derive(Clone, Copy, ValueEnum)]
enum Layout {
    /// A folder that transformers opens
    Hf,
    /// The names of timm
    Timm,
    /// The official names in one file
    Safetensors,
}

#[derive(Args)]
pub(crate) struct Export {
    /// Run folder, imported folder or checkpoint
    run: PathBuf,
    /// Layout
    #[arg(long, value_enum)]
    format: Layout,
    /// Folder to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Export {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let format = match self.format {
            Layout::Hf => Format::HuggingFace,
            Layout::Timm => Format::Timm,
            Layout::Safetensors => Format::Safetensors,
        };
        let files = plugin::of_run(&self.run)?.export(&self.run, format)?;
        for file in &files {
            runlog::write(&self.out.join(file.name), &file.bytes)?;
        }
        let names: Vec<&str> = files.iter().map(|f| f.name).collect();
        eprintln!("wrote {} to {}", names.join(", "), self.out.display());
        Ok(ExitCode::SUCCESS)
    }
}
