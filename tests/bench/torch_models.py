"""The models of kernels/models in PyTorch, with the same names and shapes."""

import torch
from torch import nn
import torch.nn.functional as F


class LeNet(nn.Module):
    def __init__(self, channels, flat, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(flat, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc3(F.relu(self.fc2(x)))


class TwoConv(nn.Module):
    """McMahan's and LEAF's CNN, and pfl-research's."""

    def __init__(self, channels, kernel, pad, pool_first, flat, hidden, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 32, kernel, padding=pad)
        self.conv2 = nn.Conv2d(32, 64, kernel, padding=pad)
        self.fc1 = nn.Linear(flat, hidden)
        self.fc2 = nn.Linear(hidden, classes)
        self.pool_first = pool_first

    def forward(self, x):
        x = F.relu(self.conv1(x))
        if self.pool_first:
            x = F.max_pool2d(x, 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


class Fire(nn.Module):
    def __init__(self, inputs, squeeze, expand):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], 1)


class SqueezeNet(nn.Module):
    def __init__(self, classes):
        super().__init__()
        pool = lambda: nn.MaxPool2d(3, 2, ceil_mode=True)
        relu = lambda: nn.ReLU(inplace=True)
        self.features = nn.Sequential(
            nn.Conv2d(3, 96, 7, 2), relu(), pool(),
            Fire(96, 16, 64), Fire(128, 16, 64), Fire(128, 32, 128), pool(),
            Fire(256, 32, 128), Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), pool(),
            Fire(512, 64, 256))
        self.classifier = nn.Sequential(
            nn.Dropout(0.5), nn.Conv2d(512, classes, 1), relu(), nn.AdaptiveAvgPool2d(1))

    def forward(self, x):
        return self.classifier(self.features(x)).flatten(1)


class Block(nn.Module):
    def __init__(self, inputs, planes, stride, expansion):
        super().__init__()
        outputs = planes * expansion
        conv = lambda i, o, k, s: nn.Conv2d(i, o, k, s, k // 2, bias=False)
        shapes = ([(inputs, planes, 3, stride), (planes, planes, 3, 1)] if expansion == 1 else
                  [(inputs, planes, 1, 1), (planes, planes, 3, stride), (planes, outputs, 1, 1)])
        self.depth = len(shapes)
        for i, shape in enumerate(shapes, 1):
            setattr(self, f"conv{i}", conv(*shape))
            setattr(self, f"bn{i}", nn.BatchNorm2d(shape[1]))
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(conv(inputs, outputs, 1, stride),
                                            nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = x
        for i in range(1, self.depth + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            if i < self.depth:
                y = F.relu(y, inplace=True)
        return F.relu(y + (x if self.downsample is None else self.downsample(x)), inplace=True)


class ResNet(nn.Module):
    def __init__(self, blocks, expansion, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for stage, count in enumerate(blocks):
            layers = []
            for i in range(count):
                stride = 2 if stage > 0 and i == 0 else 1
                layers.append(Block(inputs, 64 << stage, stride, expansion))
                inputs = (64 << stage) * expansion
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x)), inplace=True), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


MODELS = {
    "smallnet": lambda: LeNet(3, 400, 10),
    "smallconv": lambda: LeNet(1, 256, 10),
    "pflcnn": lambda: TwoConv(3, 3, 0, False, 12544, 128, 10),
    "mcmahancnn": lambda: TwoConv(1, 5, 2, True, 3136, 512, 10),
    "leafcnn": lambda: TwoConv(1, 5, 2, True, 3136, 2048, 62),
    "squeezenet": lambda: SqueezeNet(1000),
    "resnet18": lambda: ResNet([2, 2, 2, 2], 1, 1000),
    "resnet34": lambda: ResNet([3, 4, 6, 3], 1, 1000),
    "resnet50": lambda: ResNet([3, 4, 6, 3], 4, 1000),
    "resnet101": lambda: ResNet([3, 4, 23, 3], 4, 1000),
    "resnet152": lambda: ResNet([3, 8, 36, 3], 4, 1000),
}
