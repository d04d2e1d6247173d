//! Values to the digits that the notes print.

use burn::prelude::*;
use burn::tensor::DType;
use jepa_core::collapse::{
    BarlowForm, BarlowTwins, Covariance, InfoNce, InfoNceForm, Invariance, Moment, Regulariser, SigRegForm, Variance,
    VicRegForm, Views,
};
use jepa_core::jepa::{Forward, Pair, Role};
use jepa_core::objective::{Distance as _, DistanceConfig, Memory, Objective, ObjectiveConfig};

use super::fixture::{directions, holds, matrix, tensor, value, values};

fn both() -> Views {
    Views::new(vec![tensor(0), tensor(1)])
}

fn of(term: impl Regulariser, views: &Views) -> f64 {
    value(term.penalty(views, &Moment::default()).unwrap())
}

/// [n, d] as [n, 1, d].
fn tokens(view: usize) -> Tensor<3> {
    tensor(view).unsqueeze_dim(1)
}

#[test]
fn the_closed_forms_are_those_of_the_notes() {
    let row: Vec<f64> = matrix(0).row(0).iter().copied().collect();
    let printed = [0.22952795, -0.91807047, 0.86583391, -0.11496726, -0.72866498, 0.98434695, -0.4457722, -0.45249031];
    row.iter().zip(printed).for_each(|(found, printed)| holds("Z1 row 0", *found, printed));
    holds("sum of Z1", matrix(0).sum(), -1.46751058);
    holds("sum of Z2", matrix(1).sum(), -1.73052171);
    let first = values(directions());
    for (d, printed) in [0.47642078, 0.15999611, -0.39082323, -0.36908562].into_iter().enumerate() {
        holds("A[..,0]", first[4 * d], printed);
    }
}

#[test]
fn vicreg_in_both_conventions() {
    let [s, v, c] = [
        of(Invariance::default(), &both()),
        of(Variance { form: VicRegForm::Official }, &both()),
        of(Covariance { form: VicRegForm::Official }, &both()),
    ];
    holds("invariance", s, 0.00499535);
    holds("variance", v, 0.33571699);
    holds("covariance", c, 0.04208987);
    holds("official total", 25.0 * s + 25.0 * v + c, 8.55989816);
    let [v_eb, c_eb] =
        [of(Variance { form: VicRegForm::EbJepa }, &both()), of(Covariance { form: VicRegForm::EbJepa }, &both())];
    holds("eb_jepa variance", v_eb, 0.67143397);
    holds("eb_jepa covariance", c_eb, 0.00601284);
    holds("eb_jepa total", s + v_eb + 80.0 * c_eb, 1.15745639);
    assert!((v - v_eb).abs() > 0.1 && (c - c_eb).abs() > 0.01, "the conventions are told apart");
}

#[test]
fn barlow_twins() {
    let total = |lambda| of(BarlowTwins { lambda, form: BarlowForm::Official }, &both());
    holds("on the diagonal", total(0.0), 0.00179221);
    holds("off the diagonal", total(1.0) - total(0.0), 1.04560175);
    holds("total", total(0.0051), 0.00712478);
    let other = of(BarlowTwins { lambda: 0.0051, form: BarlowForm::StablePretraining }, &both());
    assert!((other - total(0.0051)).abs() > 1e-3, "another standardisation is seen: {other}");
}

#[test]
fn contrast_of_simclr_and_moco() {
    let term = |form, temperature| InfoNce { form, temperature, queue: 0 };
    for (temperature, printed) in [(0.1, 0.19463126), (0.2, 0.46705992), (0.5, 1.69410598)] {
        holds("NT-Xent", of(term(InfoNceForm::NtXent, temperature), &both()), printed);
    }
    let one_way = Views::beside(vec![tensor(0)], vec![tensor(1)]);
    holds("MoCo v3, one direction", of(term(InfoNceForm::MocoV3, 0.2), &one_way), 0.10897927);
    holds("MoCo v3, symmetric", of(term(InfoNceForm::MocoV3, 0.2), &both()), 0.21800632);
    // The wrong partners are seen.
    let shifted = Tensor::cat(vec![tensor(1).narrow(0, 1, 15), tensor(1).narrow(0, 0, 1)], 0);
    let wrong = of(term(InfoNceForm::NtXent, 0.2), &Views::new(vec![tensor(0), shifted]));
    assert!(wrong > 2.0, "{wrong}");
}

#[test]
fn distances_of_byol_dino_and_i_jepa() {
    let memory = Memory::default();
    let cosine = value(DistanceConfig::Cosine.mean(tokens(0), tokens(1), &memory));
    holds("BYOL, one direction", 2.0 * cosine, 0.01532889);
    let dino = DistanceConfig::CentredSoftmax {
        predicted_temperature: 0.1,
        target_temperature: 0.04,
        centre_momentum: 0.9,
        centre_on: Role::Target,
    };
    holds("DINO", value(dino.mean(tokens(0), tokens(1), &memory)), 0.46331809);
    let swapped = value(dino.mean(tokens(1), tokens(0), &memory));
    assert!((swapped - 0.46331809).abs() > 1e-3, "teacher and student are told apart: {swapped}");

    let objective =
        Objective::new(&ObjectiveConfig { distance: dino, normalise_targets: None, regularisers: Vec::new() }).unwrap();
    let forward = Forward {
        embeddings: vec![(Role::Target, tokens(1))],
        pairs: vec![Pair { predicted: tokens(0), target: tokens(1) }],
        ..Forward::default()
    };
    let mut memory = Memory::default();
    let observed = objective.observe(&forward, 1.0).unwrap();
    objective.remember(&mut memory, observed);
    let centre = memory.centre.unwrap();
    for (found, printed) in centre.iter().zip([-0.01121165, -0.00597928, 0.00152363]) {
        holds("new centre", f64::from(*found), printed);
    }

    let five = TensorData::new(vec![0f64, 0.5, 1.0, 1.5, -3.0], [1, 1, 5]);
    let five = Tensor::<3>::from_data(five, (&Device::flex(), DType::F64));
    let mean = DistanceConfig::SmoothL1 { beta: 1.0 }.mean(five.clone(), five.zeros_like(), &Memory::default());
    holds("smooth L1", value(mean), 0.825);
}

/// EP / n in closed form.
fn exact(u: &[f64]) -> f64 {
    use std::f64::consts::PI;
    let n = u.len() as f64;
    let pairs = u.iter().flat_map(|a| u.iter().map(move |b| (-(a - b).powi(2) / 2.0).exp())).sum::<f64>() / (n * n);
    let single = u.iter().map(|a| (-a * a / 4.0).exp()).sum::<f64>() / n;
    (2.0 * PI).sqrt() * pairs - 2.0 * PI.sqrt() * single + (2.0 * PI / 3.0).sqrt()
}

#[test]
fn sigreg_in_every_convention() {
    let projected = tensor(0).matmul(directions());
    for (form, printed, mean) in [
        (SigRegForm::Paper, [2.46952968, 1.16505177, 1.31623808, 2.40457382], 1.83884834),
        (SigRegForm::Package, [2.44809145, 1.14428813, 1.28521505, 2.37371190], 1.81282663),
    ] {
        let found = values(form.epps_pulley(projected.clone()));
        found.iter().zip(printed).for_each(|(found, printed)| holds("a slice", *found, printed));
        holds("mean", found.iter().sum::<f64>() / 4.0, mean);
    }
    let slice: Vec<f64> = values(projected.clone().narrow(1, 0, 1));
    holds("exact integral", 16.0 * exact(&slice), 2.46953579);

    let bcs = |view: usize| value(SigRegForm::EbJepa.along(&Views::new(vec![tensor(view)]), &directions()).unwrap());
    holds("BCS of view 1", bcs(0), 0.11280461);
    holds("BCS of view 2", bcs(1), 0.10456335);
    let mean = value(SigRegForm::EbJepa.along(&both(), &directions()).unwrap());
    holds("BCS", mean, 0.10868398);
    holds("BCS, total", of(Invariance::default(), &both()) + 10.0 * mean, 1.09183513);
}

#[test]
fn lejepa_of_two_global_views_and_one_local() {
    let (a, b) = (tensor(0), tensor(1));
    let local = a.clone() + (a.clone() - b.clone()) * 0.5;
    let views = Views::new(vec![a, b, local]);
    let invariance = of(Invariance { to_mean_of: Some(2) }, &views);
    let sigreg = value(SigRegForm::Package.along(&views, &directions()).unwrap());
    holds("invariance", invariance, 0.00249767);
    holds("SIGReg", sigreg, 1.78131697);
    holds("total", 0.05 * sigreg + 0.95 * invariance, 0.09143864);
    let to_all = of(Invariance { to_mean_of: Some(3) }, &views);
    assert!((to_all - invariance).abs() > 1e-4, "which views are global matters: {to_all}");
}
