"""Evaluate a SmallConv checkpoint with PyTorch, in the order and scale of the run that made it.

usage: evaluate_checkpoint.py CHECKPOINT.h5 DATA.h5 MEAN STD
prints "correct N of M", or "absent" without torch or h5py
"""
import sys

try:
    import h5py
    import torch
except ImportError:
    print("absent")
    sys.exit(0)


class SmallConv(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 6, 5)
        self.conv2 = torch.nn.Conv2d(6, 16, 5)
        self.fc1 = torch.nn.Linear(256, 120)
        self.fc2 = torch.nn.Linear(120, 84)
        self.fc3 = torch.nn.Linear(84, 10)

    def forward(self, x):
        pool = torch.nn.functional.max_pool2d
        x = pool(torch.relu(self.conv1(x)), 2)
        x = pool(torch.relu(self.conv2(x)), 2)
        x = torch.relu(self.fc1(x.flatten(1)))
        return self.fc3(torch.relu(self.fc2(x)))


checkpoint_path, data_path, mean, std = sys.argv[1:]
net = SmallConv()
with h5py.File(checkpoint_path, "r") as checkpoint:
    net.load_state_dict({name: torch.from_numpy(value[()])
                         for name, value in checkpoint["model"].items()})
with h5py.File(data_path, "r") as data:
    images = torch.from_numpy(data["test/images"][()]).float() / 255
    labels = torch.from_numpy(data["test/labels"][()]).long()
with torch.no_grad():
    logits = net((images - float(mean)) / float(std))
print(f"correct {int((logits.argmax(1) == labels).sum())} of {len(labels)}")
