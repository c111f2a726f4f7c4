#!/usr/bin/env python3
"""FedAsync and FedBuff by NumPy in float64 on given updates: what async.json holds.

    python3 async.py > async.json

Written from the papers (arXiv 1903.03934, 2106.06639), without a look at Echelon's own rules.
"""
import json

import numpy as np

generator = np.random.default_rng(11)
DIMENSION = 6
STALENESS = (0, 3, 0, 7, 1, 12, 4)
start = generator.integers(-64, 65, DIMENSION) / 64
updates = generator.integers(-64, 65, (len(STALENESS), DIMENSION)) / 64


def factor(kind, t, a, b):
    if kind == "constant":
        return 1.0
    if kind == "polynomial":
        return (t + 1.0) ** -a
    return 1.0 if t <= b else 1.0 / (a * (t - b) + 1.0)


def fedasync(o):
    x, out = start.copy(), []
    for t, u in zip(STALENESS, updates):
        share = o["alpha"] * factor(o["staleness"], t, o["a"], o["b"])
        x = x + share * (u - x)
        out.append(x)
    return out


def fedbuff(o):
    x, out, held = start.copy(), [], []
    for t, u in zip(STALENESS, updates):
        held.append(factor(o["staleness"], t, o["a"], o["b"]) * u)
        if len(held) == o["buffer"]:
            x, held = x + o["lr"] * sum(held) / len(held), []
        out.append(x)
    return out


cases = []
for kind, a, b in (("constant", 0, 0), ("polynomial", 0.5, 0), ("hinge", 10, 4)):
    o = {"strategy": "fedasync", "staleness": kind, "a": a, "b": b, "alpha": 0.6, "buffer": 1, "lr": 1}
    cases.append({**o, "models": [m.tolist() for m in fedasync(o)]})
    o = {**o, "strategy": "fedbuff", "alpha": 1, "buffer": 3, "lr": 0.7}
    cases.append({**o, "models": [m.tolist() for m in fedbuff(o)]})
print(json.dumps({"start": start.tolist(), "staleness": STALENESS, "updates": updates.tolist(), "cases": cases}))
