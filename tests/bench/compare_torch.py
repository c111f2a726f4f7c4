#!/usr/bin/env python3
"""Compare `echelon bench kernels` with PyTorch on this machine, one case after the other.

Each case alternates: PyTorch with OPENBLAS_CORETYPE as the environment has it, PyTorch without it,
Echelon; several rounds. A figure is the median over the rounds; the ratio is Echelon's to the faster
of PyTorch's two. A sample counts gather, normalise, forward, loss, backward and update, on fresh
batches, on both sides.

    tests/bench/compare_torch.py --echelon build/release/bin/echelon [--only smallconv] [--rounds 3] [--json]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

# model, input, batch, threads, least ratio
CASES = [
    ("smallconv", "1,28,28", 32, 1, 5.0),
    ("smallconv", "1,28,28", 128, 1, 5.0),
    ("mcmahancnn", "1,28,28", 10, 1, 1.5),
    ("mcmahancnn", "1,28,28", 50, 1, 1.5),
    ("leafcnn", "1,28,28", 10, 1, 1.5),
    ("leafcnn", "1,28,28", 50, 1, 1.5),
    ("pflcnn", "3,32,32", 10, 1, 1.5),
    ("pflcnn", "3,32,32", 50, 1, 1.5),
    ("squeezenet", "3,224,224", 8, 1, 1.5),
    ("resnet18", "3,32,32", 32, 1, 1.5),
    ("resnet18", "3,224,224", 8, 1, 1.5),
    ("resnet50", "3,224,224", 8, 1, 1.25),
]


def torch_worker(model, shape, batch, threads, seconds):
    """Train with PyTorch for at least `seconds`; print samples a second."""
    import torch
    import torch.nn.functional as F
    from torch_models import MODELS

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    channels, height, width = (int(n) for n in shape.split(","))
    count = max(4 * batch, min(8192, (64 << 20) // (channels * height * width)))
    count -= count % batch
    images = torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8)
    net = MODELS[model]()
    labels = torch.randint(0, 10, (count,))
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9)

    def epoch(limit):
        steps = 0
        order = torch.randperm(count)
        for first in range(0, count, batch):
            chosen = order[first:first + batch]
            x = images[chosen].float().div_(255).sub_(0.5).div_(0.5)
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(net(x), labels[chosen]).backward()
            optimizer.step()
            steps += 1
            if time.perf_counter() > limit:
                break
        return steps

    epoch(time.perf_counter() + 0.2 * seconds)
    begin = time.perf_counter()
    steps = 0
    while time.perf_counter() - begin < seconds:
        steps += epoch(begin + seconds)
    print(steps * batch / (time.perf_counter() - begin))


def run_torch(case, seconds, without_coretype):
    model, shape, batch, threads, _ = case
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    if without_coretype:
        environment.pop("OPENBLAS_CORETYPE", None)
    command = [sys.executable, os.path.abspath(__file__), "--torch-worker", model, shape,
               str(batch), str(threads), str(seconds)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def run_echelon(program, case, seconds, engine):
    model, shape, batch, threads, _ = case
    command = [program, "bench", "kernels", "--model", model, "--input", shape, "--batch",
               str(batch), "--threads", str(threads), "--seconds", str(seconds), "--engine", engine,
               "--json"]
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def measure(case, arguments):
    rounds = []
    for _ in range(arguments.rounds):
        rounds.append((run_torch(case, arguments.seconds, False),
                       run_torch(case, arguments.seconds, True),
                       run_echelon(arguments.echelon, case, arguments.seconds, arguments.engine)))
    ours = statistics.median(r[2]["samples_per_second"] for r in rounds)
    with_it = statistics.median(r[0] for r in rounds)
    without = statistics.median(r[1] for r in rounds)
    return {
        "model": case[0], "input": case[1], "batch": case[2], "threads": case[3],
        "torch": with_it, "torch_without_coretype": without, "echelon": ours,
        "gflops": statistics.median(r[2]["gflops"] for r in rounds),
        "peak_gflops": max(r[2]["peak_gflops"] for r in rounds),
        "ratio": ours / max(with_it, without), "least": case[4],
    }


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "--torch-worker":
        model, shape, batch, threads, seconds = sys.argv[2:]
        torch_worker(model, shape, int(batch), int(threads), float(seconds))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--echelon", default="build/release/bin/echelon")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--only", help="cases whose model's name has this in it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results = []
    line = "{:<11} {:<10} {:>5}  {:>9} {:>9} {:>9}  {:>6} {:>6}  {:>5} of {:>5} GFLOP/s"
    if not arguments.json:
        print(line.format("model", "input", "batch", "torch", "(no core)", "echelon", "ratio",
                          "least", "", "peak"))
    for case in CASES:
        if arguments.only and arguments.only not in case[0]:
            continue
        r = measure(case, arguments)
        results.append(r)
        if not arguments.json:
            print(line.format(r["model"], r["input"], r["batch"], round(r["torch"], 1),
                              round(r["torch_without_coretype"], 1), round(r["echelon"], 1),
                              round(r["ratio"], 2), r["least"], round(r["gflops"]),
                              round(r["peak_gflops"])), flush=True)
    if arguments.json:
        json.dump(results, sys.stdout, indent=1)
        print()
    return 0 if all(r["ratio"] >= r["least"] for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
