//! A report of runs in one HTML file: what was trained, with what, and what came of it.

use std::fmt::Write as _;

use super::{differences, save};
use crate::runs::RunSummary;
use crate::screens::run::series;
use crate::shared::Shared;
use crate::theme::Theme;
use crate::widgets::{self, vector};

/// Writes `report.html` beside the runs.
pub(super) fn write(runs: &[RunSummary], shared: &mut Shared) {
    if runs.is_empty() {
        shared.notices.error("a report needs a run: tick one");
        return;
    }
    let text = html(runs, shared);
    save(shared, "report.html", &text);
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn html(runs: &[RunSummary], shared: &Shared) -> String {
    let theme = Theme { dark: false };
    let mut out = String::from(
        "<!doctype html><meta charset=\"utf-8\"><title>Runs</title><style>body{font-family:sans-serif;max-width:60em;\
         margin:2em auto}td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #ddd}pre{background:#f4f4f4;\
         padding:1em;overflow:auto}</style>\n",
    );
    let followed = |run: &RunSummary| shared.followers.get(&run.path).map(|f| &f.history);
    let curves = runs.iter().enumerate();
    let curves: Vec<vector::Series> =
        curves.filter_map(|(i, r)| series(followed(r)?, "loss", r.name.clone(), theme.category(i))).collect();
    out += &vector::svg("loss", "step", "loss", &curves, false);
    let found = differences(runs);
    if !found.is_empty() {
        out += "<h2>Differences</h2><table><tr><th>key";
        for run in runs {
            let _ = write!(out, "<th>{}", escaped(&run.name));
        }
        for (key, values) in &found {
            let _ = write!(out, "<tr><td>{}", escaped(key));
            for value in values {
                let _ = write!(out, "<td>{}", escaped(value));
            }
        }
        out += "</table>\n";
    }
    for run in runs {
        let info = &run.info;
        let _ = writeln!(
            out,
            "<h2>{}</h2><p>{} / {} on {}, seed {}, version {}; {}</p><pre>{}</pre>",
            escaped(&run.name),
            escaped(&info.variant),
            escaped(&info.preset),
            escaped(&info.engine),
            info.seed,
            escaped(&info.version),
            run.standing.word(),
            escaped(&info.command.join(" "))
        );
        if let Some(note) = shared.workspace.content.notes.get(&run.name) {
            let _ = writeln!(out, "<p>{}</p>", escaped(note));
        }
        if let Some(history) = followed(run) {
            let data = history.data.as_deref().unwrap_or("data not said");
            let _ = writeln!(out, "<p>{} steps; {}</p>", history.step(), escaped(data));
            if let Some(last) = history.collapse.last() {
                let f = last.figures;
                let n = widgets::number;
                let _ = writeln!(
                    out,
                    "<p>Collapse figures after step {}: std {}, RankMe {}, participation {}, content {}</p>",
                    last.step,
                    n(f.std),
                    n(f.rank_me),
                    n(f.participation),
                    n(f.content)
                );
            }
            for probed in &history.probes {
                let _ = writeln!(out, "<pre>{}</pre>", escaped(&probed.table.to_string()));
            }
        }
        let _ = writeln!(out, "<details><summary>Configuration</summary><pre>{}</pre></details>", escaped(&run.config));
    }
    out
}
