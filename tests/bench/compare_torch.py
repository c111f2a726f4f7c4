#!/usr/bin/env python3
"""Compare `echelon bench kernels` with PyTorch on this machine, one case after the other.

Each case alternates: PyTorch with OPENBLAS_CORETYPE as the environment has it, PyTorch without it,
Echelon; several rounds, of which none begins once the case has used its budget. A figure is the
median over the rounds; the ratio is Echelon's to the faster of PyTorch's two. A sample counts
gather, normalise, forward, loss, backward and update, on fresh batches, on both sides. The last case
compares Echelon with itself: two threads with one. A row is printed as its case ends.

    tests/bench/compare_torch.py --echelon build/release/bin/echelon [--only 'resnet18 3,224'] [--rounds 3] [--json]
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
    ("resnet18", "3,224,224", 8, 2, 1.8),
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


def run(command, environment, seconds):
    """The command's output; it may take a minute beyond what it was asked for."""
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True,
                          timeout=seconds + 60)
    return done.stdout


def run_torch(case, seconds, without_coretype):
    model, shape, batch, threads, _ = case
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    if without_coretype:
        environment.pop("OPENBLAS_CORETYPE", None)
    command = [sys.executable, os.path.abspath(__file__), "--torch-worker", model, shape,
               str(batch), str(threads), str(seconds)]
    return float(run(command, environment, seconds))


def run_echelon(program, case, seconds, engine):
    model, shape, batch, threads, _ = case
    command = [program, "bench", "kernels", "--model", model, "--input", shape, "--batch",
               str(batch), "--threads", str(threads), "--seconds", str(seconds), "--engine", engine,
               "--json"]
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}
    return json.loads(run(command, environment, seconds))


def run_torch_best(case, arguments):
    return max(run_torch(case, arguments.seconds, without) for without in (False, True))


def run_one_thread(case, arguments):
    single = case[:3] + (1,) + case[4:]
    return run_echelon(arguments.echelon, single, arguments.seconds, arguments.engine)[
        "samples_per_second"]


def measure(case, arguments):
    """Alternate the peer (PyTorch, or Echelon on one thread) and Echelon within the budget."""
    name, run_peer = ("torch", run_torch_best) if case[3] == 1 else ("1 thread", run_one_thread)
    begin = time.monotonic()
    rounds = []
    while len(rounds) < arguments.rounds and (
            not rounds or time.monotonic() - begin < arguments.budget):
        rounds.append((run_peer(case, arguments),
                       run_echelon(arguments.echelon, case, arguments.seconds, arguments.engine)))
    peer = statistics.median(r[0] for r in rounds)
    ours = statistics.median(r[1]["samples_per_second"] for r in rounds)
    return {
        "model": case[0], "input": case[1], "batch": case[2], "threads": case[3],
        "rounds": len(rounds), "peer": name, "peer_samples_per_second": peer,
        "samples_per_second": ours,
        "gflops": statistics.median(r[1]["gflops"] for r in rounds),
        "peak_gflops": max(r[1]["peak_gflops"] for r in rounds),
        "ratio": ours / peer, "least": case[4],
    }


LINE = "{:<11} {:<10} {:>5} {:>7}  {:<8} {:>9} {:>9}  {:>6} {:>6}  {:>5} of {:>5} GFLOP/s"


def row(r):
    return LINE.format(r["model"], r["input"], r["batch"], r["threads"], r["peer"],
                       round(r["peer_samples_per_second"], 1), round(r["samples_per_second"], 1),
                       round(r["ratio"], 2), r["least"], round(r["gflops"]),
                       round(r["peak_gflops"]))


def chosen_cases(only):
    return [c for c in CASES if only in f"{c[0]} {c[1]} {c[2]} {c[3]}"]


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "--torch-worker":
        model, shape, batch, threads, seconds = sys.argv[2:]
        torch_worker(model, shape, int(batch), int(threads), float(seconds))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--echelon", default="build/release/bin/echelon")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--only", default="",
                        help="cases whose 'model input batch threads' has this in it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each run")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of each case")
    parser.add_argument("--json", action="store_true", help="an object a line")
    arguments = parser.parse_args()
    if not arguments.json:
        print(LINE.format("model", "input", "batch", "threads", "peer", "peer's", "echelon", "ratio",
                          "least", "", "peak"), flush=True)
    held = True
    for case in chosen_cases(arguments.only):
        result = measure(case, arguments)
        held = held and result["ratio"] >= result["least"]
        print(json.dumps(result) if arguments.json else row(result), flush=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
