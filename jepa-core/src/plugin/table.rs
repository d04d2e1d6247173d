//! The registered variants as the README lists them.

use super::{Kind, Plugin};

/// A table of the registered variants in Markdown, as the README holds it.
pub struct Table(pub Vec<&'static Plugin>);

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "| variant | modality | x: context | y: target | z: condition | D | against collapse | paper |")?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        for plugin in &self.0 {
            let d = &plugin.description;
            let kind = if d.kind == Kind::Comparison { " (comparison)" } else { "" };
            writeln!(
                f,
                "| `{}`{kind} | {} | {} | {} | {} | {} | {} | {} |",
                d.id, d.modality, d.context, d.target, d.condition, d.distance, d.against_collapse, d.paper
            )?;
        }
        Ok(())
    }
}
