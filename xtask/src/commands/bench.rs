use std::process::ExitCode;

use clap::Args;
use jepa_core::Result;
use jepa_core::device::Engine;
use jepa_core::plugin::{self, BenchRequest, OverheadRequest, Plugin, Settings};

use super::{DeviceArg, SettingsArgs, print_json, say};

#[derive(Args)]
pub(crate) struct Bench {
    /// Variant; all of them when absent
    variant: Option<String>,
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    device: DeviceArg,
    /// Measure what every tool against collapse costs in a step instead: steps with and without it in turn
    #[arg(long)]
    overhead: bool,
    /// Timed steps; with --overhead pairs of steps for each tool
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
        if self.overhead {
            return self.overhead(&plugins, &engine);
        }
        let mut reports = Vec::new();
        for plugin in plugins {
            let settings: Settings = self.settings.clone().into();
            let rounds = self.rounds.max(1);
            let r = plugin.bench(&BenchRequest { settings, rounds, engine: engine.clone() })?;
            if self.json {
                reports.push(r);
                continue;
            }
            say!(
                "{} / {} on {}, {} replicas, batch {}, {:.2} M trained parameters",
                r.variant,
                r.preset,
                r.engine,
                r.replicas,
                r.batch,
                r.parameters as f64 / 1e6
            );
            let spread = r.step_seconds.iter().fold((f64::MAX, 0f64), |(low, high), s| (low.min(*s), high.max(*s)));
            say!(
                "  training step   {:.3} s (median of {}, {:.3} to {:.3})",
                r.step_median,
                r.step_seconds.len(),
                spread.0,
                spread.1
            );
            say!("  training        {:.1} samples/s, {:.1} GFLOP/s of the model's", r.train_rate, r.gflops);
            let figures: Vec<String> = r.figures.iter().map(|(name, v)| format!("{name} {v:.1}")).collect();
            say!("  mean of         {}", figures.join(", "));
            say!("  features        {:.1} samples/s", r.feature_rate);
            say!("  data, 1 thread  {:.1} samples/s (decode, crop, masks)", r.data_rate);
            if let Some(peak) = r.peak_mib {
                say!("  peak memory     {peak:.0} MiB");
            }
        }
        if self.json {
            print_json(&serde_json::json!({ "reports": reports }))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn overhead(&self, plugins: &[&Plugin], engine: &Engine) -> Result<ExitCode> {
        let mut reports = Vec::new();
        for plugin in plugins {
            let (settings, rounds) = (self.settings.clone().into(), self.rounds.max(1));
            let report = plugin.overhead(&OverheadRequest { settings, rounds, engine: engine.clone() })?;
            if self.json {
                reports.push(report);
                continue;
            }
            say!(
                "{} / {} on {}, {} replicas, batch {}; medians over {} pairs of steps",
                report.variant,
                report.preset,
                report.engine,
                report.replicas,
                report.batch,
                rounds
            );
            say!("  {:<30} {:<10} {:>9} {:>9} {:>8} {:>10}", "tool", "reads", "without s", "with s", "cost %", "CPU %");
            for line in report.lines {
                let processor = line.processor_percent.map_or(String::new(), |percent| format!("{percent:.1}"));
                say!(
                    "  {:<30} {:<10} {:>9.3} {:>9.3} {:>8.1} {processor:>10}",
                    line.tool,
                    line.on.unwrap_or(""),
                    median(&line.without),
                    median(&line.with),
                    line.percent
                );
            }
            if !report.left_out.is_empty() {
                say!("  left out, as there is too little to read: {}", report.left_out.join(", "));
            }
        }
        if self.json {
            print_json(&serde_json::json!({ "reports": reports }))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
