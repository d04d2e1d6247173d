//! What the tools against collapse cost is measured for every one of them, in turn with steps without.

use jepa_core::device::Engine;
use jepa_core::plugin::{self, OverheadRequest, Settings};
use jepa_image as _;

#[test]
fn every_tool_of_the_box_has_a_line_and_what_cannot_be_read_is_said() {
    let of = |variant: &str| {
        // Whitening wants more rows than dimensions.
        let assignments = vec!["run.batch=64".into()];
        let settings = Settings { preset: Some("tiny".into()), replicas: Some(1), assignments, ..Settings::default() };
        let request = OverheadRequest { settings, rounds: 2, engine: Engine::cpu() };
        plugin::find(variant).unwrap().overhead(&request).unwrap()
    };
    let report = of("i-jepa");
    let tools: Vec<&str> = report.lines.iter().map(|line| &line.tool[..]).collect();
    for tool in ["variance", "covariance", "invariance", "Barlow Twins", "whitening", "InfoNCE", "EMA target"] {
        assert!(tools.contains(&tool), "{tools:?}");
    }
    assert_eq!((tools.last(), report.left_out.len(), tools.len()), (Some(&"all of them"), 0, 12));
    for line in &report.lines {
        assert_eq!((line.without.len(), line.with.len()), (2, 2), "{line:?}");
        assert!(line.without.iter().chain(&line.with).all(|s| *s > 0.0) && line.percent.is_finite(), "{line:?}");
    }
    assert_eq!(report.lines[0].on, Some("context"));
    // One prediction a picture: nothing to compare.
    let report = of("mae");
    assert!(report.left_out.iter().any(|tool| tool == "invariance"), "{:?}", report.left_out);
    assert!(report.lines.iter().any(|line| line.tool == "variance"));
    // Nothing but terms to learn by: they stay, and the tools come on top of them.
    let report = of("vicreg");
    assert_eq!(report.lines.last().map(|line| &line.tool[..]), Some("all of them"));
    assert!(report.left_out.iter().any(|tool| tool.contains("whitening") && tool.contains("raise run.batch")));
}
