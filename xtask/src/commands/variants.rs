use std::process::ExitCode;

use clap::Args;
use jepa_core::Result;
use jepa_core::plugin::{self, Kind, Table};

use super::{print_json, say};

#[derive(Args)]
pub(crate) struct Variants {
    /// Print everything, schemas included, as one JSON object on standard output
    #[arg(long)]
    json: bool,
    /// Print the table that the README holds
    #[arg(long)]
    markdown: bool,
    /// Print the configuration of one preset as TOML, as in i-jepa/small
    #[arg(long, value_name = "VARIANT/PRESET")]
    config: Option<String>,
}

impl Variants {
    pub(crate) fn run(self) -> Result<ExitCode> {
        if let Some(name) = self.config {
            let (variant, preset) = name.split_once('/').unwrap_or((&name, ""));
            let presets = plugin::find(variant)?.presets()?;
            let known: Vec<&str> = presets.iter().map(|p| p.name.as_str()).collect();
            let found = presets.iter().find(|p| p.name == preset || preset.is_empty());
            let found = found.ok_or_else(|| jepa_core::Error::unknown("preset", preset, &known))?;
            say!("{}", found.config.trim_end());
            return Ok(ExitCode::SUCCESS);
        }
        let variants = plugin::variants()?;
        if self.markdown {
            say!("{}", Table(variants).to_string().trim_end());
            return Ok(ExitCode::SUCCESS);
        }
        if self.json {
            let all = variants
                .iter()
                .map(|p| {
                    Ok(serde_json::json!({
                        "description": p.description, "formats": p.formats, "presets": p.presets()?, "schema": p.schema()?,
                    }))
                })
                .collect::<Result<Vec<_>>>()?;
            print_json(&serde_json::json!({ "variants": all, "engines": jepa_core::device::available() }))?;
            return Ok(ExitCode::SUCCESS);
        }
        for plugin in variants {
            let d = &plugin.description;
            let kind = if d.kind == Kind::Comparison { "comparison: " } else { "" };
            say!("{:<13} {kind}{} ({})", d.id, d.summary, d.paper);
            say!(
                "{:<12} x: {}; y: {}; z: {}; D: {}; against collapse: {}",
                "",
                d.context,
                d.target,
                d.condition,
                d.distance,
                d.against_collapse
            );
            say!("{:<12} data: {}", "", plugin.formats.join(", "));
            for preset in plugin.presets()? {
                say!("{:<12} --preset {:<12} {}", "", preset.name, preset.about);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
