//! Warp, cost volume, resizing and photometric losses against PyTorch's own operations (`reference/motion.py`): values
//! and gradients, on grids that are not square.

use burn::prelude::*;
use jepa_core::host;
use jepa_core::recorded::Recorded;
use jepa_motion::losses::photometric::{census, structural};
use jepa_motion::losses::smoothness;
use jepa_motion::ops::{cost_volume, warp};
use jepa_motion::pyramid::Map;

/// Values are of order one; both sides compute in f32.
const CLOSE: f64 = 2e-5;

fn recorded() -> Recorded {
    Recorded::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/motion.safetensors")).unwrap()
}

/// Value of an operation of two inputs and its gradients against a recorded slope.
fn run(
    [a, b, slope]: [Tensor<3>; 3],
    operation: impl Fn(Tensor<3>, Tensor<3>) -> Tensor<3>,
) -> (Tensor<3>, Tensor<3>, Tensor<3>) {
    let (a, b) = (a.autodiff().require_grad(), b.autodiff().require_grad());
    let y = operation(a.clone(), b.clone());
    let gradients = (y.clone() * slope).sum().backward();
    (y.inner(), a.grad(&gradients).unwrap(), b.grad(&gradients).unwrap())
}

#[test]
fn the_warp_is_grid_sample_with_its_gradients() {
    let recorded = recorded();
    let inputs = || ["x", "flow", "slope"].map(|name| recorded.tensor::<3>(&format!("warp.{name}")).unwrap());
    let (y, of_x, of_flow) = run(inputs(), |x, flow| warp(x, flow, [5, 7]));
    assert!(recorded.difference("warp.y", y).unwrap() < CLOSE);
    assert!(recorded.difference("warp.of_x", of_x).unwrap() < CLOSE);
    assert!(recorded.difference("warp.of_flow", of_flow).unwrap() < CLOSE);
    // Control: rows and columns exchanged, or the flow taken the other way.
    let (y, _, _) = run(inputs(), |x, flow| warp(x, flow, [7, 5]));
    assert!(recorded.difference("warp.y", y).unwrap() > 0.5);
    let (y, _, _) = run(inputs(), |x, flow| warp(x, flow * -1.0, [5, 7]));
    assert!(recorded.difference("warp.y", y).unwrap() > 0.5);
}

#[test]
fn the_cost_volume_has_the_recorded_81_channels_and_gradients() {
    let recorded = recorded();
    let inputs = || ["a", "b", "slope"].map(|name| recorded.tensor::<3>(&format!("cost.{name}")).unwrap());
    let (y, of_a, of_b) = run(inputs(), |a, b| cost_volume(a, b, [6, 9], 4));
    assert_eq!(y.dims(), [2, 54, 81]);
    assert!(recorded.difference("cost.y", y).unwrap() < CLOSE);
    assert!(recorded.difference("cost.of_a", of_a).unwrap() < CLOSE);
    assert!(recorded.difference("cost.of_b", of_b).unwrap() < CLOSE);
    // Control: columns of displacements outer instead of rows.
    let (y, _, _) =
        run(inputs(), |a, b| cost_volume(a, b, [6, 9], 4).reshape([2, 54, 9, 9]).swap_dims(2, 3).reshape([2, 54, 81]));
    assert!(recorded.difference("cost.y", y).unwrap() > 0.1);
}

#[test]
fn a_flow_grows_with_its_grid_as_interpolate_does_with_aligned_corners() {
    let recorded = recorded();
    let flow = Map::new(recorded.tensor("grown.flow").unwrap(), [3, 5]);
    assert!(recorded.difference("grown.y", flow.flow_resized([6, 10]).values).unwrap() < CLOSE);
    // Control: the values left as they were.
    assert!(recorded.difference("grown.y", flow.resized([6, 10]).values).unwrap() > 0.5);
}

#[test]
fn photometric_losses_have_the_recorded_values_and_gradients() {
    let recorded = recorded();
    let size = [9, 12];
    let map = |name: &str| Map::new(recorded.tensor(name).unwrap(), size);
    let tokens = |x: Tensor<4>| {
        let [frames, rows, columns, channels] = x.dims();
        x.reshape([frames, rows * columns, channels])
    };
    type Distance = fn(Tensor<4>, Tensor<4>) -> Tensor<4>;
    // The census works on bytes, up to 255, and is steep where neighbours are alike.
    let distances: [(&str, Distance, f64); 2] =
        [("ssim", structural, 1e-6), ("census", |a, b| census(a, b, None), 5e-5)];
    for (name, distance, close) in distances {
        let b = map("photo.b").values.autodiff().require_grad();
        let y = distance(map("photo.a").grid(), Map::new(b.clone(), size).grid());
        let gradient = b.grad(&y.clone().mean().backward()).unwrap();
        assert!(recorded.difference(&format!("photo.{name}"), tokens(y.inner())).unwrap() < CLOSE, "{name}");
        // Gradients of a mean over some hundred places.
        let found = recorded.difference(&format!("photo.of_{name}"), gradient.clone()).unwrap();
        assert!(found < close, "{name}: {found}");
        assert!(recorded.difference(&format!("photo.of_{name}"), gradient * 0.9).unwrap() > 1e-3, "{name}");
    }
    for (name, second) in [("first", false), ("second", true)] {
        let flow = map("photo.flow").values.autodiff().require_grad();
        let y = smoothness(&Map::new(flow.clone(), size), &map("photo.a"), 10.0, second);
        let gradient = flow.grad(&y.backward()).unwrap();
        assert!(recorded.difference(&format!("photo.{name}"), y.inner()).unwrap() < 1e-6, "{name}");
        assert!(recorded.difference(&format!("photo.of_{name}"), gradient).unwrap() < 1e-6, "{name}");
        // Control: the other order of derivatives.
        let other = smoothness(&map("photo.flow"), &map("photo.a"), 10.0, !second);
        assert!(recorded.difference(&format!("photo.{name}"), other).unwrap() > 1e-3, "{name}");
    }
}

#[test]
fn gradients_of_warp_and_cost_volume_are_the_slopes_of_their_values() {
    let recorded = recorded();
    type Operation = fn(Tensor<3>, Tensor<3>) -> Tensor<3>;
    let cases: [(&str, [&str; 2], Operation); 2] = [
        ("warp", ["x", "flow"], |x, flow| warp(x, flow, [5, 7])),
        ("cost", ["a", "b"], |a, b| cost_volume(a, b, [6, 9], 4)),
    ];
    for (case, names, operation) in cases {
        let tensor = |name: &str| recorded.tensor::<3>(&format!("{case}.{name}")).unwrap();
        let slope = tensor("slope");
        let [a, b] = names.map(tensor);
        let (_, of_a, of_b) = run([a.clone(), b.clone(), slope.clone()], operation);
        let value = |a: Tensor<3>, b: Tensor<3>| host::scalar((operation(a, b) * slope.clone()).sum()).unwrap();
        // Along a direction with values of one sign and size, h small enough to stay between the same neighbours.
        let h = 1e-3;
        for (gradient, second) in [(of_a, false), (of_b, true)] {
            let way = gradient.clone().sign();
            let moved = |h: f64| {
                let step = way.clone() * h;
                if second { value(a.clone(), b.clone() + step) } else { value(a.clone() + step, b.clone()) }
            };
            let found = (moved(h) - moved(-h)) / (2.0 * h);
            let expected = host::scalar(gradient.abs().sum()).unwrap();
            assert!((found / expected - 1.0).abs() < 0.02, "{case}: {found} and {expected}");
        }
    }
}
