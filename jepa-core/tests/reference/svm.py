"""Writes svm.safetensors: what scikit-learn's LinearSVC makes of overlapping clouds.

    python svm.py        (scikit-learn 1.9, numpy, safetensors)

Four classes of unequal size in six dimensions whose scales span four orders, with a test part. For three settings
(C, loss, standardised or not) the decision values on the test part, [samples, classes], and the accuracy. The dual
solver runs to a tolerance of 1e-9.
"""
import numpy as np
from safetensors.numpy import save_file
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

rng = np.random.default_rng(7)
centres = rng.normal(size=(4, 6)) * 1.2
scales = np.array([0.03, 0.3, 1.0, 3.0, 10.0, 100.0])


def part(counts):
    labels = np.repeat(np.arange(4), counts)
    x = (centres[labels] + rng.normal(size=(len(labels), 6))) * scales + scales * 0.5
    order = rng.permutation(len(labels))
    return x[order].astype(np.float32), labels[order].astype(np.int32)


train, labels = part([40, 30, 25, 10])
test, test_labels = part([20, 20, 20, 20])
out = dict(train=train, labels=labels, test=test, test_labels=test_labels)
for name, c, loss, standardise in [("squared", 1.0, "squared_hinge", True), ("hinge", 0.012, "hinge", True),
                                   ("unscaled", 1e-4, "squared_hinge", False)]:
    scaler = StandardScaler(with_mean=standardise, with_std=standardise).fit(train.astype(np.float64))
    svm = LinearSVC(C=c, loss=loss, dual=True, tol=1e-9, max_iter=10_000_000, random_state=0)
    svm.fit(scaler.transform(train.astype(np.float64)), labels)
    x = scaler.transform(test.astype(np.float64))
    out[f"{name}.decision"] = svm.decision_function(x)
    out[f"{name}.accuracy"] = np.array([svm.score(x, test_labels)])
    print(name, svm.n_iter_, out[f"{name}.accuracy"], np.abs(out[f"{name}.decision"]).mean())
save_file(out, "svm.safetensors")
