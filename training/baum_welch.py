"""Baum-Welch: probabilities of a hidden Markov model from series of which nobody knows the states.

Each round counts how often every state begins, follows another and shows each symbol, as expected under the present
probabilities, and takes the shares of these counts as the next ones; the likelihood never falls. Baum, Petrie, Soules and
Weiss (1970), https://doi.org/10.1214/aoms/1177697196; scaled as in Rabiner (1989), https://doi.org/10.1109/5.18626.

Shape letters: N series, T steps of the longest, K states, M symbols.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True, eq=False)
class Probabilities:
    """Of the first state, (K,), of the next by the present, (K, K), and of what is seen by the state, (K, M).

    Or how often each of them happened.
    """

    start: np.ndarray
    transition: np.ndarray
    emission: np.ndarray

    def shares(self) -> Probabilities:
        """Each row divided by its sum."""
        rows = {name: counts / counts.sum(axis=-1, keepdims=True) for name, counts in vars(self).items()}
        return Probabilities(**rows)

    def ordered(self) -> Probabilities:
        """The states by the entropy of what they show, the largest first."""
        order = np.argsort((self.emission * np.log(self.emission)).sum(axis=1), kind="stable")
        return Probabilities(
            start=self.start[order], transition=self.transition[np.ix_(order, order)], emission=self.emission[order]
        )


def drawn(states: int, symbols: int, rng: np.random.Generator) -> Probabilities:
    """To begin with: what is seen differs a little between the states, which stay as they are rather than change."""
    staying = np.eye(states) * states + rng.uniform(0.5, 1.5, (states, states))
    emission = rng.uniform(0.5, 1.5, (states, symbols))
    return Probabilities(start=np.ones(states), transition=staying, emission=emission).shares()


def expected_counts(p: Probabilities, symbols_NT: np.ndarray, length_N: np.ndarray) -> tuple[Probabilities, float]:
    """How often everything is expected to have happened, and the log-likelihood of all series."""
    seen_TNK = np.moveaxis(p.emission[:, symbols_NT], 0, -1).swapaxes(0, 1)
    valid_TN = np.arange(symbols_NT.shape[1])[:, None] < length_N
    alpha_TNK, scale_TN = np.empty_like(seen_TNK), np.ones(valid_TN.shape)
    before_NK = np.broadcast_to(p.start, seen_TNK.shape[1:])
    for step, seen_NK in enumerate(seen_TNK):
        alpha_NK = before_NK * seen_NK
        scale_N = alpha_NK.sum(axis=1)
        alpha_TNK[step] = alpha_NK / scale_N[:, None]
        scale_TN[step] = np.where(valid_TN[step], scale_N, 1)
        before_NK = alpha_TNK[step] @ p.transition
    emission, transition = np.zeros_like(p.emission), np.zeros_like(p.transition)
    beta_NK = np.ones(seen_TNK.shape[1:])
    for step in reversed(range(len(seen_TNK))):
        valid_N1 = valid_TN[step][:, None]
        gamma_NK = np.where(valid_N1, alpha_TNK[step] * beta_NK, 0)
        np.add.at(emission.T, symbols_NT[:, step], gamma_NK)
        ahead_NK = seen_TNK[step] * beta_NK / scale_TN[step][:, None]
        if step:
            transition += p.transition * (alpha_TNK[step - 1].T @ np.where(valid_N1, ahead_NK, 0))
        beta_NK = np.where(valid_N1, ahead_NK @ p.transition.T, beta_NK)
    counts = Probabilities(start=gamma_NK.sum(axis=0), transition=transition, emission=emission)
    return counts, float(np.log(scale_TN).sum())


def learn(p: Probabilities, symbols_NT: np.ndarray, length_N: np.ndarray, rounds: int) -> tuple[Probabilities, list[float]]:
    """The probabilities after so many rounds, and the log-likelihood before each."""
    likelihoods = []
    for _ in range(rounds):
        counts, likelihood = expected_counts(p, symbols_NT, length_N)
        likelihoods.append(likelihood)
        p = counts.shares()
    return p, likelihoods
