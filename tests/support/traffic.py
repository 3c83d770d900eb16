"""Random traffic on random meshes, for tests of the chips' network."""

from __future__ import annotations

from typing import Any

import numpy as np

from spikeloom.backends.chips.network import MESSAGE, MeshShape


def random_shape(rng: np.random.Generator) -> MeshShape:
    """A small mesh with some cores per tile, buffers from one message on."""
    rows, columns = rng.integers(1, 4, 2).tolist()
    tiles = rows * columns
    cores = int(rng.integers(1, 3 * tiles + 1))
    return MeshShape(
        rows=rows,
        columns=columns,
        tile=np.sort(rng.integers(0, tiles, cores)).astype(np.int32),
        networks=int(rng.integers(1, 4)),
        buffer=int(rng.integers(1, 5)),
        receive=int(rng.integers(1, 4)),
        interval=int(rng.integers(1, 5)),
        inject=int(rng.integers(1, 4)),
        eject=int(rng.integers(1, 4)),
        hop=tuple(rng.integers(1, 8, 4).tolist()),
        fixed=bool(rng.integers(2)),
    )


def random_messages(
    rng: np.random.Generator, shape: MeshShape, steps: int, most: int, longest: int = 30
) -> tuple[np.ndarray, np.ndarray]:
    """Messages of some steps, and where each core's messages of each step start."""
    cores = len(shape.tile)
    counts = rng.integers(0, most + 1, steps * cores)
    counts[rng.random(len(counts)) < 0.3] = 0
    first = np.concatenate([[0], np.cumsum(counts)])
    messages = np.zeros(int(first[-1]), MESSAGE)
    hot = int(rng.integers(cores))  # half of it goes to one core, so that there are queues
    anywhere = rng.integers(0, cores, len(messages))
    messages["target"] = np.where(rng.random(len(messages)) < 0.5, hot, anywhere)
    # Now and then longer than the kernel's wheel turns.
    make = rng.integers(1, longest, len(messages))
    messages["make"] = np.where(rng.random(len(messages)) < 0.02, make * 200, make)
    messages["work"] = rng.integers(1, longest, len(messages))
    return messages, first


def random_packets(
    rng: np.random.Generator, shape: MeshShape, steps: int, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Multicast messages, where each core's packets start, and where each packet's messages do."""
    cores = len(shape.tile)
    heads, first = random_messages(rng, shape, steps, most)
    groups, parts = [0], []
    for head in heads:
        targets = rng.permutation(cores)[: int(rng.integers(1, cores + 1))]
        packet = np.repeat(head, len(targets))
        packet["target"], packet["work"] = targets, rng.integers(1, 30, len(targets))
        parts.append(packet)
        groups.append(groups[-1] + len(targets))
    return np.concatenate([heads[:0], *parts]), first, np.array(groups)


def line(tiles: int, **changes: Any) -> MeshShape:
    """One row of tiles with one core each."""
    settings = {
        "rows": 1, "columns": tiles, "tile": np.arange(tiles, dtype=np.int32), "networks": 1,
        "buffer": 2, "receive": 2, "interval": 3, "inject": 2, "eject": 1, "hop": (9, 4, 9, 5),
    }  # fmt: skip
    return MeshShape(**{**settings, **changes})


def messages_of(*rows: tuple[int, int, int]) -> np.ndarray:
    """Rows of target, make, work."""
    messages = np.zeros(len(rows), MESSAGE)
    for name, column in zip(("target", "make", "work"), zip(*rows, strict=True), strict=True):
        messages[name] = column
    return messages


def assert_no_faster_than_alone(shape: MeshShape, filled: np.ndarray, source: np.ndarray) -> None:
    """Messages take what their ways and their work take at least; ``source`` are their cores."""
    row, column = np.divmod(shape.tile, shape.columns)
    down = row[filled["target"]] - row[source]
    right = column[filled["target"]] - column[source]
    north, east, south, west = shape.hop
    way = np.maximum(down, 0) * south + np.maximum(-down, 0) * north
    way += np.maximum(right, 0) * east + np.maximum(-right, 0) * west
    assert (filled["arrived"] - filled["sent"] >= shape.inject + way + shape.eject).all()
    assert (filled["done"] - filled["arrived"] >= filled["work"]).all()
    assert (filled["sent"] >= filled["made"]).all()
