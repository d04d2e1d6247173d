"""Numbers that the tests of `jepa-gui/src/analysis` are held to, from the libraries people know them from.

    python analysis.py            writes analysis.safetensors beside itself

Needs numpy, scipy, scikit-learn (seen at 2.4, 1.17, 1.9) and umap-learn (0.5). Everything is float32 unless said:

samples [600, 24]        four Gaussian clusters of unequal widths, 50 away from the origin; clusters [600]
pca.*                    scikit-learn's PCA in float64, components with the largest loading positive
trust.*                  maps [600, 2], scikit-learn's trustworthiness (k = 10) and the share of true neighbours kept
procrustes.*             two maps [100, 3] and scipy's disparity
umap.curves [n, 4]       min_dist, spread, a, b as scipy's curve_fit finds them
umap.graph [edges, 3]    row, row, weight of umap-learn's fuzzy_simplicial_set (n_neighbors = 15), smaller row first
tsne.kl [1]              KL divergence that scikit-learn's Barnes-Hut t-SNE ends at from the PCA start (perplexity 30)
"""
import os

import numpy as np
from safetensors.numpy import save_file
from scipy.optimize import curve_fit
from scipy.spatial import procrustes
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness
from sklearn.neighbors import NearestNeighbors
from umap.umap_ import fuzzy_simplicial_set

HERE = os.path.dirname(os.path.abspath(__file__))


def neighbours(x, k):
    return NearestNeighbors(n_neighbors=k).fit(x).kneighbors(return_distance=False)


def kept(samples, shown, k=10):
    pairs = zip(neighbours(samples, k), neighbours(shown, k))
    return np.mean([len(set(a) & set(b)) / k for a, b in pairs])


def curve(min_dist, spread):
    x = np.linspace(0, 3 * spread, 300)
    y = np.where(x < min_dist, 1.0, np.exp(-(x - min_dist) / spread))
    (a, b), _ = curve_fit(lambda x, a, b: 1 / (1 + a * x ** (2 * b)), x, y)
    return [min_dist, spread, a, b]


def main():
    rng = np.random.default_rng(20261125)
    clusters = np.repeat(np.arange(4), 150)
    centres = rng.normal(0, 4, (4, 24))
    widths = rng.uniform(0.4, 1.6, (4, 24))
    samples = (50 + centres[clusters] + widths[clusters] * rng.normal(size=(600, 24))).astype(np.float32)
    exact = samples.astype(np.float64)
    out = {"samples": samples, "clusters": clusters}

    pca = PCA(n_components=4, svd_solver="full").fit(exact)
    sign = np.sign(pca.components_[np.arange(4), np.abs(pca.components_).argmax(1)])
    out["pca.variances"] = pca.explained_variance_
    out["pca.ratios"] = pca.explained_variance_ratio_
    out["pca.components"] = pca.components_ * sign[:, None]
    out["pca.coordinates"] = pca.transform(exact) * sign

    for name, shown in {"good": out["pca.coordinates"][:, :2], "random": rng.normal(size=(600, 2))}.items():
        shown = shown.astype(np.float32)
        out[f"trust.{name}"] = shown
        out[f"trust.{name}.score"] = [trustworthiness(exact, shown, n_neighbors=10)]
        out[f"trust.{name}.kept"] = [kept(exact, shown.astype(np.float64))]

    reference = rng.normal(size=(100, 3)) * [5, 2, 1]
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    shown = 3 * (reference + 0.4 * rng.normal(size=(100, 3))) @ turn + [7, -1, 2]
    reference, shown = reference.astype(np.float32), shown.astype(np.float32)
    out["procrustes.reference"], out["procrustes.map"] = reference, shown
    out["procrustes.disparity"] = [procrustes(reference.astype(np.float64), shown.astype(np.float64))[2]]

    out["umap.curves"] = [curve(0.1, 1.0), curve(0.5, 1.0), curve(0.0, 1.0), curve(0.3, 1.5)]
    distances, indices = NearestNeighbors(n_neighbors=15).fit(exact).kneighbors(exact)
    graph, _, _ = fuzzy_simplicial_set(
        samples, 15, np.random.RandomState(0), "euclidean", knn_indices=indices, knn_dists=distances.astype(np.float32)
    )
    graph = graph.tocoo()
    edges = sorted((a, b, w) for a, b, w in zip(graph.row, graph.col, graph.data) if a < b and w > 0)
    out["umap.graph"] = edges

    tsne = TSNE(perplexity=30, init="pca", learning_rate="auto", random_state=0).fit(exact)
    out["tsne.kl"] = [tsne.kl_divergence_]

    arrays = {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in out.items()}
    save_file(arrays, os.path.join(HERE, "analysis.safetensors"))
    for name, value in arrays.items():
        print(f"{name:24} {list(value.shape)} {value.ravel()[:4]}")


if __name__ == "__main__":
    main()
