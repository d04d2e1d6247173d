//! The closed forms that every number is of.

use burn::prelude::*;
use burn::tensor::DType;
use jepa_core::collapse::{
    BarlowForm, BarlowTwins, Covariance, InfoNce, InfoNceForm, Invariance, Moment, Regulariser, SigReg, SigRegForm,
    Variance, VicRegForm, Views, Whitening, WhiteningForm,
};
use jepa_core::error::Result;
use nalgebra::DMatrix;

pub(crate) const ROWS: usize = 16;
pub(crate) const WIDTH: usize = 8;

/// Z1 or Z2.
pub(crate) fn matrix(view: usize) -> DMatrix<f64> {
    DMatrix::from_fn(ROWS, WIDTH, |n, d| {
        let (n, d) = ((n + 1) as f64, (d + 1) as f64);
        let first = (0.7 * n + 1.9 * d + 0.31 * n * d).sin();
        if view == 0 { first } else { first + 0.1 * (2.3 * n * d).cos() }
    })
}

pub(crate) fn upload(m: &DMatrix<f64>) -> Tensor<2> {
    let values: Vec<f64> = m.transpose().as_slice().to_vec();
    Tensor::from_data(TensorData::new(values, [m.nrows(), m.ncols()]), (&Device::flex(), DType::F64))
}

pub(crate) fn tensor(view: usize) -> Tensor<2> {
    upload(&matrix(view))
}

/// Unit keys of earlier batches.
pub(crate) fn queue() -> Tensor<2> {
    let keys = DMatrix::from_fn(5, WIDTH, |n, d| {
        let (n, d) = ((n + 1) as f64, (d + 1) as f64);
        (0.9 * n - 0.6 * d * (n + 1.0)).cos()
    });
    upload(&jepa_core::collapse::unit_rows(&keys))
}

/// Four unit directions as columns.
pub(crate) fn directions() -> Tensor<2> {
    let raw = DMatrix::from_fn(WIDTH, 4, |d, s| (1.3 * (d + 1) as f64 * (s + 1) as f64 + 0.2).sin());
    let unit = DMatrix::from_fn(WIDTH, 4, |d, s| raw[(d, s)] / raw.column(s).norm());
    upload(&unit)
}

pub(crate) fn values<const D: usize>(t: Tensor<D>) -> Vec<f64> {
    t.inner().into_data().convert::<f64>().try_into_vec().unwrap()
}

pub(crate) fn value(t: Tensor<1>) -> f64 {
    values(t)[0]
}

/// The digits that the notes print.
pub(crate) fn holds(name: &str, found: f64, printed: f64) {
    assert!((found - printed).abs() < 6e-9, "{name}: {found:.10}, printed {printed:.8}");
}

/// A term under its name in the recorded file, and how it reads two views.
pub(crate) struct Term {
    pub(crate) name: &'static str,
    pub(crate) one_way: bool,
    pub(crate) with_queue: bool,
    term: Box<dyn Regulariser>,
    along: Option<SigRegForm>,
}

impl Term {
    fn new(name: &'static str, term: impl Regulariser + 'static) -> Self {
        Self { name, one_way: false, with_queue: false, term: Box::new(term), along: None }
    }

    /// The penalty of the two views; SIGReg along the recorded directions.
    pub(crate) fn penalty(&self, a: Tensor<2>, b: Tensor<2>) -> Result<Tensor<1>> {
        let views = if self.one_way { Views::beside(vec![a], vec![b]) } else { Views::new(vec![a, b]) };
        if let Some(form) = self.along {
            return form.along(&views, &directions());
        }
        let queue = self.with_queue.then(queue);
        self.term.penalty(&views, &Moment { seed: 0, step: 1, term: 0, queue })
    }
}

/// Every term in every form.
pub(crate) fn terms() -> Vec<Term> {
    let info_nce = |form, queue| InfoNce { form, temperature: 0.2, queue };
    let whitening = |form, epsilon| Whitening { form, epsilon };
    let mut all = vec![
        Term::new("variance.official", Variance { form: VicRegForm::Official }),
        Term::new("variance.eb-jepa", Variance { form: VicRegForm::EbJepa }),
        Term::new("covariance.official", Covariance { form: VicRegForm::Official }),
        Term::new("covariance.eb-jepa", Covariance { form: VicRegForm::EbJepa }),
        Term::new("invariance", Invariance::default()),
        Term::new("barlow-twins.official", BarlowTwins { lambda: 0.0051, form: BarlowForm::Official }),
        Term::new(
            "barlow-twins.stable-pretraining",
            BarlowTwins { lambda: 0.0051, form: BarlowForm::StablePretraining },
        ),
        Term::new("whitening.official", whitening(WhiteningForm::Official, None)),
        Term::new("whitening.official.shrunk", whitening(WhiteningForm::Official, Some(0.05))),
        Term::new("whitening.stable-pretraining", whitening(WhiteningForm::StablePretraining, None)),
        Term::new("whitening.stable-pretraining.clamped", whitening(WhiteningForm::StablePretraining, Some(0.2))),
        Term::new("info-nce.nt-xent", info_nce(InfoNceForm::NtXent, 0)),
        Term { with_queue: true, ..Term::new("info-nce.nt-xent.queue", info_nce(InfoNceForm::NtXent, 5)) },
        Term::new("info-nce.moco-v3", info_nce(InfoNceForm::MocoV3, 0)),
    ];
    for (name, form) in [("info-nce.moco-v3.queue", InfoNceForm::MocoV3), ("info-nce.moco-v2", InfoNceForm::MocoV2)] {
        all.push(Term { one_way: true, with_queue: true, ..Term::new(name, info_nce(form, 5)) });
    }
    for (name, form) in [
        ("sigreg.paper", SigRegForm::Paper),
        ("sigreg.package", SigRegForm::Package),
        ("sigreg.stable-pretraining", SigRegForm::StablePretraining),
        ("sigreg.eb-jepa", SigRegForm::EbJepa),
    ] {
        all.push(Term { along: Some(form), ..Term::new(name, SigReg { form, slices: 4 }) });
    }
    all
}
