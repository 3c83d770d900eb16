"""Topics of papers from what they cite: a citation graph as a spiking network.

After the node classification that NeuroCoreX (Gautam et al. 2025) shows on MicroSeer, 84 papers of
6 topics: a neuron per paper and per topic, 90 in all. A citation is a pair of synapses: when a
paper fires, the papers that it cites and those that cite it fire a step later, then theirs.

- Papers onto topics learn by STDP. A paper of the training part is made to fire, and its topic's
  neuron 2 and 3 steps later: that strengthens the synapses from the paper (two pairs of spikes) and
  from its neighbours (one pair), also from neighbours whose topics nobody knows.
- In the test learning is off. A paper fires and so do its neighbours; the topic with the highest
  potential two steps later is the answer.

The graph is made here, with planted topics (Holland, Laskey and Leinhardt 1983): papers cite at
random, most of the time within their topic. Half of each topic's papers are for training. Or give
files: lines ``cited citing`` in one, ``paper word … word topic`` in the other, as Cora and Citeseer
have them; the words are not used.

    python examples/citation_graph.py                     five seeds: five graphs and splits
    python examples/citation_graph.py --cites cora.cites --content cora.content
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from reporting import add_common_arguments, count, over_seeds, report

import spikeloom as sl

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAPERS, TOPICS = 84, 6
CITATIONS, INSIDE = 3.0, 0.8  # by a paper, and the share of them that stays within its topic
DT = 1e-3
PERIOD = 40  # steps from one paper to the next
HEARD = 2  # steps after a paper's spike when topics are read: its neighbours have been heard
TAU_PAIR, TAU_TOPIC = 5e-3, 5e-3
W_MAX, STEP = 1.0, 0.08
THRESHOLD = 100.0  # of topics: more than all papers together; only the teacher reaches it
LONGEST = 64 * 2**20  # bytes of a file


@dataclass(frozen=True)
class Graph:
    """Topic of each paper, (n,), names of topics, and (k, 2) pairs of papers, each pair once."""

    topic: NDArray[np.int64]
    names: list[str]
    pairs: NDArray[np.int64]

    @staticmethod
    def planted(random: np.random.Generator) -> Graph:
        """84 papers, 14 of each topic."""
        topic = random.permutation(np.arange(PAPERS) % TOPICS)
        pairs = set()
        for paper in range(PAPERS):
            for _ in range(random.poisson(CITATIONS)):
                near = (topic == topic[paper]) == (random.random() < INSIDE)
                cited = int(random.choice(np.flatnonzero(near)))
                if cited != paper:
                    pairs.add((min(paper, cited), max(paper, cited)))
        return Graph(topic, [str(t) for t in range(TOPICS)], np.array(sorted(pairs)))

    @staticmethod
    def read(cites: Path, content: Path) -> Graph:
        """From files; ValueError says what is wrong. Citations of papers without a topic go."""
        rows = [line.split() for line in _text(content).splitlines() if line.strip()]
        if not rows or min(map(len, rows)) < 2:
            raise ValueError(f"{content}: expected lines 'paper word … word topic'")
        place = {row[0]: i for i, row in enumerate(rows)}
        names, topic = np.unique([row[-1] for row in rows], return_inverse=True)
        if len(place) != len(rows) or len(names) < 2:
            raise ValueError(f"{content}: a paper comes twice, or all have the same topic")
        pairs = set()
        for line in _text(cites).splitlines():
            papers = line.split()
            if papers and len(papers) != 2:
                raise ValueError(f"{cites}: expected lines 'cited citing', found {line[:60]!r}")
            ends = sorted(place[paper] for paper in set(papers) if paper in place)
            if len(ends) == 2:
                pairs.add((ends[0], ends[1]))
        if not pairs:
            raise ValueError(f"{cites}: no citation between papers of {content}")
        return Graph(topic.astype(np.int64), names.tolist(), np.array(sorted(pairs)))

    def split(self, random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Half of each topic's papers for training, the others for the test."""
        training = np.zeros(len(self.topic), bool)
        for topic in range(len(self.names)):
            papers = random.permutation(np.flatnonzero(self.topic == topic))
            training[papers[: (len(papers) + 1) // 2]] = True
        return np.flatnonzero(training), np.flatnonzero(~training)

    def majority(self, training: NDArray[np.int64], test: NDArray[np.int64]) -> float:
        """Without neurons: the topic that most neighbours in the training part have, if any."""
        votes = np.zeros((len(self.topic), len(self.names)))
        known = np.isin(np.arange(len(self.topic)), training)
        for a, b in np.r_[self.pairs, self.pairs[:, ::-1]]:
            votes[a, self.topic[b]] += known[b]
        return float((votes[test].argmax(axis=1) == self.topic[test]).mean())


def _text(path: Path) -> str:
    if path.stat().st_size > LONGEST:
        raise ValueError(f"{path}: {path.stat().st_size} bytes, expected at most {LONGEST}")
    return path.read_text(encoding="utf-8")


def network(graph: Graph, seed: int) -> sl.Network:
    """A neuron per paper and per topic; citations both ways; all papers onto all topics."""
    n, topics = len(graph.topic), len(graph.names)
    net = sl.Network(dt=DT, name="citations", seed=seed)
    ask, teacher = net.source("ask", n), net.source("teacher", topics)
    papers = net.population(
        "papers", n, sl.LIF(tau_mem=DT, v_threshold=0.5, refractory=PERIOD / 2 * DT)
    )
    of_topics = net.population(
        "topics", topics, sl.LIF(tau_mem=TAU_TOPIC, v_threshold=max(THRESHOLD, n))
    )
    net.connect(ask, papers, weights=1.0, connector=sl.OneToOne(), delay=0.0)
    both_ways = np.r_[graph.pairs, graph.pairs[:, ::-1]]
    net.connect(papers, papers, weights=sl.Synapses(both_ways[:, 0], both_ways[:, 1], 1.0))
    rule = sl.STDP(W_MAX, a_plus=STEP, a_minus=0.0, tau_plus=TAU_PAIR, pairing="nearest", seed=seed)
    net.connect(papers, of_topics, weights=np.zeros((n, topics)), learning=rule)
    strong = 4.0 * max(THRESHOLD, n)
    net.connect(teacher, of_topics, weights=strong, connector=sl.OneToOne(), delay=0.0)
    net.probe(papers, "spikes")
    net.probe(of_topics, "v")
    return net


def learn(device: sl.Device, graph: Graph, papers: NDArray[np.int64]) -> None:
    """Each of these papers, and after it its topic."""
    begin = np.arange(len(papers)) * PERIOD
    topic = graph.topic[papers]
    teacher = np.stack([np.r_[begin + 2, begin + 3], np.r_[topic, topic]], axis=1)
    asked = np.stack([begin, papers], axis=1)
    device.run(len(papers) * PERIOD, {"ask": asked, "teacher": teacher})


def answer(device: sl.Device, papers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The topic with the highest potential for each of these papers."""
    device.learning = False
    asked = np.stack([np.arange(len(papers)) * PERIOD, papers], axis=1)
    result = device.run(len(papers) * PERIOD, {"ask": asked})
    device.learning = True
    return np.argmax(np.asarray(result.states["topics"]["v"])[HEARD::PERIOD], axis=1)


def plot(graph: Graph, test: NDArray[np.int64], answers: NDArray[np.int64], path: Path) -> None:
    """The graph; rings have the color of the answer, wrong ones show."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import networkx as nx

    shown = nx.Graph(graph.pairs.tolist())
    shown.add_nodes_from(range(len(graph.topic)))
    place = nx.spring_layout(shown, seed=1)
    x, y = np.array([place[paper] for paper in range(len(graph.topic))]).T
    colors = plt.get_cmap("tab10")(graph.topic % 10)
    figure, axis = plt.subplots(figsize=(7, 6), layout="constrained")
    for a, b in graph.pairs:
        axis.plot(x[[a, b]], y[[a, b]], color="lightgrey", linewidth=0.6, zorder=0)
    axis.scatter(x, y, s=40, c=colors)
    rings = plt.get_cmap("tab10")(answers % 10).tolist()
    axis.scatter(x[test], y[test], s=150, facecolors="none", edgecolors=rings, linewidths=1.5)
    axis.set_title("papers and their topics; rings: what the network said of the test part")
    axis.set_axis_off()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Make or read a graph, learn and test with every seed."""
    parser = argparse.ArgumentParser(
        description="Classify the papers of a citation graph by spikes that spread over it.",
        epilog="example: python examples/citation_graph.py --seeds 20 --json",
    )
    add_common_arguments(parser, "citation_graph.png")
    add = parser.add_argument
    add("--cites", type=Path, help="file of lines 'cited citing'")
    add("--content", type=Path, help="file of lines 'paper word … word topic'")
    add("--first-seed", type=int, default=0, help="of the graphs and splits (default: 0)")
    add("--epochs", type=count, default=2, help="passes over training (default: %(default)s)")
    args = parser.parse_args()
    if (args.cites is None) != (args.content is None):
        parser.error("--cites and --content: found one of them, expected both or none")
    try:
        given = Graph.read(args.cites, args.content) if args.cites else None
    except (OSError, ValueError) as error:
        parser.error(str(error))

    def once(seed: int) -> dict[str, Any]:
        random = np.random.default_rng(args.first_seed + seed)
        graph = given or Graph.planted(random)
        training, test = graph.split(random)
        with sl.open(args.device) as device:
            device.load(sl.compile(network(graph, seed), sl.TARGETS["emulator"]))
            for _ in range(args.epochs):
                learn(device, graph, random.permutation(training))
            answers = answer(device, test)
        if seed == 0 and not args.json:
            plot(graph, test, answers, args.plot)
        return {
            "seed": seed,
            "accuracy": float((answers == graph.topic[test]).mean()),
            "majority_of_neighbours": graph.majority(training, test),
            "neurons": len(graph.topic) + len(graph.names),
            "citations": len(graph.pairs),
        }

    figures = ("accuracy", "majority_of_neighbours", "neurons", "citations")
    summary = {
        "device": args.device,
        "graph": "planted topics" if given is None else str(args.cites),
        "epochs": args.epochs,
        **over_seeds(args.seeds, once, figures),
    }
    report(summary, args.json, figures)
    if not args.json:
        print(f"\nthe graph of seed 0, and the answers: {args.plot}")


if __name__ == "__main__":
    main()
