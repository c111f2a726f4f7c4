#!/usr/bin/env python3
"""Two rounds of small federations by NumPy in float64: what strategies.json holds.

    python3 strategies.py > strategies.json

Written from the papers, without a look at Echelon's own rules. Four workers with 3 to 11 samples of
a linear model, so that n_k and the number of steps differ; three of the four take part in a round.
"""
import json

import numpy as np

DIMENSION = 5
SIZES = (3, 11, 6, 8)
ROUNDS = ((0, 1, 3), (1, 2, 3))
LR, BATCH, EPOCHS = 0.0625, 4, 2


def make_data():
    """Numbers that float32 and JSON hold exactly: multiples of 1/64."""
    generator = np.random.default_rng(7)
    workers = []
    for size in SIZES:
        x = generator.integers(-64, 65, (size, DIMENSION)) / 64
        y = generator.integers(-128, 129, size) / 64
        workers.append((x, y))
    start = generator.integers(-64, 65, DIMENSION) / 64
    return workers, start


def train(w_start, x, y, momentum, mu=0.0, linear=0.0, drift=0.0):
    """PyTorch's SGD on the mean of 1/2 (x w - y)^2 + linear w + mu/2 |w - start|^2, samples in
    order, the last batch kept; each step ends with w -= lr * drift."""
    w, velocity = w_start.copy(), None
    for _ in range(EPOCHS):
        for first in range(0, len(y), BATCH):
            rows = slice(first, first + BATCH)
            error = x[rows] @ w - y[rows]
            gradient = x[rows].T @ error / len(error) + mu * (w - w_start) + linear
            velocity = gradient if velocity is None else momentum * velocity + gradient
            w = w - LR * velocity
            w = w - LR * drift
    return w


def step_count(worker):
    return EPOCHS * -(-SIZES[worker] // BATCH)


def server_fedavg(state, w, delta, o):
    return w + delta


def server_fedavgm(state, w, delta, o):
    state["v"] = o["server_momentum"] * state.get("v", 0) + delta
    return w + o["server_lr"] * state["v"]


def adaptive(state, w, delta, o, second):
    m = o["server_momentum"] * state.get("m", 0) + (1 - o["server_momentum"]) * delta
    v = second(state.get("v", np.full(DIMENSION, o["server_tau"] ** 2)), delta**2)
    state.update(m=m, v=v)
    return w + o["server_lr"] * m / (np.sqrt(v) + o["server_tau"])


def server_fedadagrad(state, w, delta, o):
    return adaptive(state, w, delta, o, lambda v, d2: v + d2)


def server_fedyogi(state, w, delta, o):
    b = o["server_beta2"]
    return adaptive(state, w, delta, o, lambda v, d2: v - (1 - b) * d2 * np.sign(v - d2))


def server_fedadam(state, w, delta, o):
    b = o["server_beta2"]
    return adaptive(state, w, delta, o, lambda v, d2: b * v + (1 - b) * d2)


def round_scaffold(state, w, participants, data, momentum, o):
    """Karimireddy et al. 2020, option II, all means weighted by samples."""
    n = np.array(SIZES, float)
    c, ci = state.setdefault("c", np.zeros(DIMENSION)), state.setdefault("ci", np.zeros((4, 5)))
    change_w, change_c = np.zeros(DIMENSION), np.zeros(DIMENSION)
    for k in participants:
        y = train(w, *data[k], momentum, drift=c - ci[k])
        new = ci[k] - c + (w - y) / (step_count(k) * LR)
        change_w += n[k] * (y - w) / n[list(participants)].sum()
        change_c += n[k] * (new - ci[k]) / n.sum()
        ci[k] = new
    state["c"] = c + change_c
    return w + o["server_lr"] * change_w


def round_fednova(state, w, participants, data, momentum, o):
    """Wang et al. 2020, section 4: d_i = G_i a_i / |a_i|, a_i by the paper's rule for momentum."""
    n = np.array([SIZES[k] for k in participants], float)
    p = n / n.sum()
    directions, norms = [], []
    for k in participants:
        tau = step_count(k)
        a = np.array([(1 - momentum ** (tau - j)) / (1 - momentum) for j in range(tau)])
        directions.append((w - train(w, *data[k], momentum)) / (LR * a.sum()))
        norms.append(a.sum())
    return w - (p @ norms) * LR * (p @ np.array(directions))


def round_feddyn(state, w, participants, data, momentum, o):
    """Acar et al. 2021, algorithm 1."""
    alpha, m = o["alpha"], len(SIZES)
    g, h = state.setdefault("g", np.zeros((4, 5))), state.setdefault("h", np.zeros(DIMENSION))
    models = []
    for k in participants:
        models.append(train(w, *data[k], momentum, mu=alpha, linear=-g[k]))
        g[k] = g[k] - alpha * (models[-1] - w)
    state["h"] = h - alpha / m * sum(model - w for model in models)
    return np.mean(models, axis=0) - state["h"] / alpha


def trained(w, participants, data, momentum):
    return np.array([train(w, *data[k], momentum) for k in participants])


def round_median(state, w, participants, data, momentum, o):
    """Yin et al. 2018, option I."""
    return np.median(trained(w, participants, data, momentum), axis=0)


def round_trimmed_mean(state, w, participants, data, momentum, o):
    """Yin et al. 2018, option II."""
    models = np.sort(trained(w, participants, data, momentum), axis=0)
    cut = int(o["trim"] * len(models))
    return models[cut:len(models) - cut].mean(axis=0)


def krum_order(models, hostile):
    """Blanchard et al. 2017: updates by their score."""
    scores = []
    for i, a in enumerate(models):
        distances = sorted(((a - b) ** 2).sum() for j, b in enumerate(models) if j != i)
        scores.append(sum(distances[:max(len(models) - hostile - 2, 1)]))
    return np.argsort(scores, kind="stable")


def round_krum(state, w, participants, data, momentum, o):
    models = trained(w, participants, data, momentum)
    return models[krum_order(models, o["hostile"])[0]]


def round_multi_krum(state, w, participants, data, momentum, o):
    models = trained(w, participants, data, momentum)
    return models[krum_order(models, o["hostile"])[:o["chosen"]]].mean(axis=0)


def round_geometric_median(state, w, participants, data, momentum, o):
    """Pillutla et al. 2022, algorithm 2, on the vectors themselves."""
    models = trained(w, participants, data, momentum)
    alpha = np.array([SIZES[k] for k in participants], float)
    alpha /= alpha.sum()
    z = alpha @ models
    for _ in range(o["iterations"]):
        beta = alpha / np.maximum(o["smoothing"], np.linalg.norm(models - z, axis=1))
        z = beta @ models / beta.sum()
    return z


ADAPTIVE = dict(server_lr=0.125, server_momentum=0.9, server_beta2=0.99, server_tau=0.0625)
CASES = [
    ("fedavg", {}),
    ("fedsgd", {}),
    ("fedprox", {"proximal": 0.3}),
    ("fedprox", {"proximal": 1.5}),
    ("fedavgm", {"server_lr": 1.0, "server_momentum": 0.9}),
    ("fedavgm", {"server_lr": 0.5, "server_momentum": 0.0}),
    ("fedadagrad", {"server_lr": 0.125, "server_momentum": 0.0, "server_tau": 0.0625}),
    ("fedyogi", dict(ADAPTIVE)),
    ("fedadam", dict(ADAPTIVE)),
    ("scaffold", {"server_lr": 1.0}),
    ("scaffold", {"server_lr": 0.5}),
    ("fednova", {}),
    ("feddyn", {"alpha": 0.25}),
    ("feddyn", {"alpha": 0.01}),
    ("median", {}),
    ("trimmed-mean", {"trim": 0.2}),
    ("trimmed-mean", {"trim": 0.34}),
    ("krum", {"hostile": 0}),
    ("multi-krum", {"hostile": 0, "chosen": 2}),
    ("geometric-median", {"smoothing": 1e-6, "iterations": 3}),
    ("geometric-median", {"smoothing": 0.25, "iterations": 1}),
]


def mean_round(name):
    """Rules whose server sees only the mean difference."""
    server = globals().get("server_" + name, server_fedavg)

    def run_round(state, w, participants, data, momentum, o):
        weights = np.array([1 if name == "fedsgd" else SIZES[k] for k in participants], float)
        updates = [train(w, *data[k], momentum, o.get("proximal", 0.0)) for k in participants]
        delta = sum(p * (u - w) for p, u in zip(weights / weights.sum(), updates))
        return server(state, w, delta, o)

    return run_round


def run(name, options, momentum, workers, start):
    run_round = globals().get("round_" + name.replace("-", "_")) or mean_round(name)
    state, w, models = {}, start, []
    for participants in ROUNDS:
        w = run_round(state, w, participants, workers, momentum, options)
        models.append(w.tolist())
    return {"strategy": name, "momentum": momentum, "options": options, "models": models}


def main():
    workers, start = make_data()
    cases = [run(n, o, m, workers, start) for n, o in CASES for m in (0.0, 0.75)]
    print(json.dumps({
        "dimension": DIMENSION, "lr": LR, "batch": BATCH, "epochs": EPOCHS,
        "rounds": ROUNDS, "start": start.tolist(),
        "workers": [{"x": x.tolist(), "y": y.tolist()} for x, y in workers],
        "cases": cases,
    }))


main()
