#!/usr/bin/env python3
"""FashionMNIST with SmallConv, one worker with all the data: Echelon beside PyTorch, by seeds.

10 epochs, batch 64, SGD with lr 0.01 and momentum 0.9, inputs scaled to [-1, 1]. Each of Echelon's
seeds must reach 0.885 on the test set, and their mean must lie within 0.5 points of PyTorch's. The
table is printed row by row. Takes about five minutes on one core.

    tests/bench/train_fashion.py [--echelon build/release/bin/echelon] [--seeds 3] [--epochs 10]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import h5py
import torch
import torch.nn.functional as F

from torch_models import MODELS

BATCH, RATE, MOMENTUM = 64, 0.01, 0.9
LEAST, MARGIN = 0.885, 0.005

CONFIGURATION = """
seed: {seed}
data:
  file: {data}
  normalize: {{mean: [0.5], std: [0.5]}}
model: {{name: smallconv}}
topology: {{kind: star, workers: 1}}
rounds: 1
train: {{epochs: {epochs}, batch: {batch}, lr: {rate}, momentum: {momentum}}}
"""


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=1800)
    return done.stdout


def train_echelon(program, folder, data, seed, epochs):
    path = os.path.join(folder, f"seed-{seed}.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(CONFIGURATION.format(seed=seed, data=data, epochs=epochs, batch=BATCH, rate=RATE,
                                        momentum=MOMENTUM))
    out = os.path.join(folder, f"seed-{seed}")
    return json.loads(run([program, "fit", path, "--out", out, "--json"]))["test_accuracy"]


def read(data, part):
    with h5py.File(data) as file:
        images = torch.from_numpy(file[part]["images"][...])
        labels = torch.from_numpy(file[part]["labels"][...].astype("int64"))
    return images.float().div_(255).sub_(0.5).div_(0.5), labels


def train_torch(data, seed, epochs):
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    images, labels = read(data, "train")
    net = MODELS["smallconv"]()
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM)
    for _ in range(epochs):
        for chosen in torch.randperm(len(labels)).split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(net(images[chosen]), labels[chosen]).backward()
            optimizer.step()
    images, labels = read(data, "test")
    with torch.no_grad():
        hits = [(net(x).argmax(1) == y).sum().item()
                for x, y in zip(images.split(1000), labels.split(1000))]
    return sum(hits) / len(labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--echelon", default="build/release/bin/echelon")
    parser.add_argument("--images", default="/usr/share/datasets/fashion-mnist",
                        help="the folder of the idx files")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()
    rows = []
    print("seed  echelon  torch", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "fashion-mnist.h5")
        run([arguments.echelon, "data", "import", "idx", arguments.images, "--out", data])
        for seed in range(1, arguments.seeds + 1):
            rows.append((train_echelon(arguments.echelon, folder, data, seed, arguments.epochs),
                         train_torch(data, seed, arguments.epochs)))
            print(f"{seed:4}  {rows[-1][0]:7.4f}  {rows[-1][1]:5.4f}", flush=True)
    ours, theirs = (statistics.mean(column) for column in zip(*rows))
    print(f"mean  {ours:7.4f}  {theirs:5.4f}")
    held = all(row[0] >= LEAST for row in rows) and abs(ours - theirs) <= MARGIN
    print(f"each at least {LEAST}, means within {MARGIN}: {'held' if held else 'NOT HELD'}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
