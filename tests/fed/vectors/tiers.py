#!/usr/bin/env python3
"""Two rounds of small trees by NumPy in float64: what tiers.json holds.

    python3 tiers.py > tiers.json

Written from the papers (HierFAVG: Liu et al. 2020, algorithm 1), without a look at Echelon's own
code. Six workers with 2 to 9 samples of a linear model under three aggregators, two each; a local
training is two steps of gradient descent on all samples of a worker.
"""
import json

import numpy as np

DIMENSION, LR, STEPS = 5, 0.0625, 2
SIZES = (3, 9, 2, 5, 7, 4)
CHILDREN = ((0, 1), (2, 3), (4, 5))
generator = np.random.default_rng(23)
data = [(generator.integers(-64, 65, (n, DIMENSION)) / 64, generator.integers(-128, 129, n) / 64)
        for n in SIZES]
start = generator.integers(-64, 65, DIMENSION) / 64


def train(w, k):
    x, y = data[k]
    for _ in range(STEPS):
        w = w - LR * x.T @ (x @ w - y) / len(y)
    return w


class Mean:
    """FedAvg, and with a server learning rate and momentum FedAvgM."""

    def __init__(self, lr=1.0, momentum=0.0):
        self.lr, self.momentum, self.v = lr, momentum, np.zeros(DIMENSION)

    def update(self, w, models, sizes):
        delta = np.average(np.array(models) - w, axis=0, weights=sizes)
        self.v = self.momentum * self.v + delta
        return w + self.lr * self.v


class Median:
    def update(self, w, models, sizes):
        return np.median(models, axis=0)


def run(leader, aggregators, rounds_below):
    w, models = start, []
    for _ in range(2):
        below = []
        for rule, children in zip(aggregators, CHILDREN):
            own = w
            for _ in range(rounds_below):
                own = rule.update(own, [train(own, k) for k in children], [SIZES[k] for k in children])
            below.append(own)
        w = leader.update(w, below, [sum(SIZES[k] for k in children) for children in CHILDREN])
        models.append(w.tolist())
    return models


def three(make):
    return [make() for _ in CHILDREN]


def momentum():
    return Mean(0.5, 0.75)


cases = [
    ("fedavg", "fedavg", 1, run(Mean(), three(Mean), 1)),
    ("fedavg", "fedavg", 3, run(Mean(), three(Mean), 3)),
    ("fedavg", "fedavgm", 2, run(Mean(), three(momentum), 2)),
    ("fedavgm", "fedavg", 2, run(momentum(), three(Mean), 2)),
    ("median", "fedavg", 2, run(Median(), three(Mean), 2)),
    ("fedavgm", "median", 2, run(momentum(), three(Median), 2)),
]
print(json.dumps({
    "lr": LR, "steps": STEPS, "server_lr": 0.5, "server_momentum": 0.75, "start": start.tolist(),
    "workers": [{"x": x.tolist(), "y": y.tolist()} for x, y in data],
    "cases": [dict(leader=a, below=b, rounds=r, models=m) for a, b, r, m in cases],
}))
