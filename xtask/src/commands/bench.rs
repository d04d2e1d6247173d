use std::process::ExitCode;

use clap::Args;
use jepa_core::Result;
use jepa_core::plugin::{self, BenchRequest, Settings};

use super::{DeviceArg, SettingsArgs, print_json};

#[derive(Args)]
pub(crate) struct Bench {
    /// Variant; all of them when absent
    variant: Option<String>,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    device: DeviceArg,
    /// Timed steps
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// Print the figures as one JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let plugins = match &self.variant {
            Some(id) => vec![plugin::find(id)?],
            None => plugin::variants()?,
        };
        let engine = self.device.open()?;
        let mut reports = Vec::new();
        for plugin in plugins {
            let settings: Settings = self.settings.clone().into();
            reports.push(plugin.bench(&BenchRequest {
                settings,
                rounds: self.rounds.max(1),
                engine: engine.clone(),
            })?);
        }
        if self.json {
            print_json(&serde_json::json!({ "reports": reports }))?;
            return Ok(ExitCode::SUCCESS);
        }
        for r in reports {
            println!(
                "{} / {} on {}, {} replicas, batch {}, {:.2} M trained parameters",
                r.variant,
                r.preset,
                r.engine,
                r.replicas,
                r.batch,
                r.parameters as f64 / 1e6
            );
            let spread = r.step_seconds.iter().fold((f64::MAX, 0f64), |(low, high), s| (low.min(*s), high.max(*s)));
            println!(
                "  training step   {:.3} s (median of {}, {:.3} to {:.3})",
                r.step_median,
                r.step_seconds.len(),
                spread.0,
                spread.1
            );
            println!("  training        {:.1} samples/s, {:.1} GFLOP/s of the model's", r.train_rate, r.gflops);
            let figures: Vec<String> = r.figures.iter().map(|(name, v)| format!("{name} {v:.1}")).collect();
            println!("  mean of         {}", figures.join(", "));
            println!("  features        {:.1} samples/s", r.feature_rate);
            println!("  data, 1 thread  {:.1} samples/s (decode, crop, masks)", r.data_rate);
            if let Some(peak) = r.peak_mib {
                println!("  peak memory     {peak:.0} MiB");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
