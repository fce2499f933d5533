"""A tiny archive in the binary format of CIFAR-10: dark pictures with a bright square, whose place goes by the class."""

import io
import tarfile

import numpy as np


def _batch(rows, seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % 10
    pictures = rng.integers(0, 64, size=(rows, 3, 32, 32))
    for picture, label in zip(pictures, labels, strict=True):
        top, left = 4 + 9 * (label // 4), 1 + 8 * (label % 4)
        picture[label % 3, top : top + 6, left : left + 6] += 180
    return np.column_stack([labels, pictures.reshape(rows, -1)]).astype(np.uint8).tobytes()


def contents():
    batches = {f"data_batch_{number}": _batch(30, number) for number in range(1, 6)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in {**batches, "test_batch": _batch(60, 6)}.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return (packed.getvalue(),)
