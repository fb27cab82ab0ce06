"""First embeddings: an SVD of the positive pointwise mutual information of tokens that are near one another.

They give words that are used alike a like start, which a network this small
would otherwise spend a third of its training on.
"""
import numpy as np
from scipy import sparse

WINDOW = 5


def near_counts(sequences, size):
    """[size, size] counts of token pairs at most WINDOW apart, nearer pairs counting more."""
    flat = np.concatenate([np.array(s + [-1] * WINDOW, dtype=np.int64) for s in sequences])
    total = sparse.csr_matrix((size, size), dtype=np.float64)
    for distance in range(1, WINDOW + 1):
        a, b = flat[:-distance], flat[distance:]
        both = (a >= 0) & (b >= 0)
        pairs, counts = np.unique(a[both] * size + b[both], return_counts=True)
        total = total + sparse.csr_matrix((counts / distance, (pairs // size, pairs % size)), shape=(size, size))
    return total + total.T


def start_vectors(sequences, size, dim, std, seed):
    """[size, dim] float32: rows of tokens that never occur are small noise."""
    from sklearn.utils.extmath import randomized_svd
    counts = near_counts(sequences, size).tocoo()
    row = np.bincount(counts.row, counts.data, size)
    context = row ** 0.75
    context /= context.sum()
    ratio = np.log(counts.data / (row[counts.row] * context[counts.col]))
    keep = ratio > 0
    ppmi = sparse.csr_matrix((ratio[keep], (counts.row[keep], counts.col[keep])), shape=(size, size), dtype=np.float32)
    u, s, _ = randomized_svd(ppmi, dim + 1, n_iter=3, random_state=seed)
    vectors = (u * np.sqrt(s))[:, 1:]  # the first direction is how frequent a token is
    seen = row > 0
    vectors[seen] -= vectors[seen].mean(0)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors / np.maximum(length, 1e-6) * std * dim ** 0.5
    noise = np.random.RandomState(seed).randn(size, dim) * std
    vectors[~seen] = 0.4 * noise[~seen]
    return (vectors + 0.1 * noise).astype(np.float32)
