"""Load a checkpoint the way a PyTorch user does, and compare it with the values that were written.

usage: load_checkpoint.py CHECKPOINT.h5 ; prints "loaded", or "absent" without torch or h5py
"""
import sys

try:
    import h5py
    import torch
except ImportError:
    print("absent")
    sys.exit(0)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 4, (2, 1))
        self.bn1 = torch.nn.BatchNorm2d(4)


with h5py.File(sys.argv[1], "r") as checkpoint:
    model = checkpoint["model"]
    net = Net()
    net.load_state_dict({name: torch.from_numpy(model[name][()].reshape(model[name].shape))
                         if model[name].shape else torch.tensor(model[name][()])
                         for name in model})
    order = sorted(model, key=lambda name: model[name].attrs["index"])
    assert checkpoint.attrs["round"] == 7
    assert checkpoint["config"][()].decode().rstrip("\0") == "name: test\n"
    assert bytes(checkpoint["state/random"][()]) == b"seed"

state = net.state_dict()
assert order == list(state), (order, list(state))
value = 0
for name in order:
    flat = state[name].flatten().tolist()
    if name == "bn1.num_batches_tracked":
        assert flat == [700], flat
        continue
    assert flat == [0.25 * (value + i) for i in range(len(flat))], name
    value += len(flat)
print("loaded")
