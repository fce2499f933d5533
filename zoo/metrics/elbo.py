"""Evidence lower bound of a variational autoencoder with Bernoulli pixels, in nats a picture.

ELBO = E_q[log p(x|z)] − KL(q(z|x) ‖ N(0, I)), the expectation by one draw z = μ + σ·ε (Kingma and Welling 2014,
https://arxiv.org/abs/1312.6114, equation 10). KL = −½ Σ (1 + log σ² − μ² − σ²).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.calls import Call, Plan

DIRECTION = 1


def score(arrays: Mapping[str, np.ndarray]) -> Plan[np.ndarray]:
    """One bound a row of `encode/x`, with the draws `epsilon` (rows, latent)."""
    x = arrays["encode/x"]
    encoded = yield Call("encode", {"x": x})
    mean, log_variance = encoded["mean"], encoded["log_variance"]
    z = (mean + np.exp(0.5 * log_variance) * arrays["epsilon"]).astype(np.float32)
    decoded = yield Call("decode", {"z": z})
    logits = decoded["logits"].astype(np.float64)
    log_likelihood = (x * logits - np.logaddexp(0, logits)).sum(axis=1)
    mean, log_variance = mean.astype(np.float64), log_variance.astype(np.float64)
    divergence = -0.5 * (1 + log_variance - mean**2 - np.exp(log_variance)).sum(axis=1)
    return log_likelihood - divergence
