"""Train small digit classifiers in torch frameworks and export them with their own exporters.

    python torch_nir.py data.npz folder

``data.npz`` holds train_x, test_x (samples, steps, 64) spikes and train_y, test_y. For every case
the script writes ``<case>.nir``, the same network as float32 in ``<case>_float32.nir``, and
``<case>.npz``: hidden and output spikes of the first test samples, and the output counts of all of
them, computed in float64.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import nir
import norse.torch as norse
import numpy as np
import snntorch as snn
import torch
from snntorch.export_nir import export_to_nir
from spikingjelly.activation_based import functional, layer, neuron, nir_exchange
from torch import nn

HIDDEN, CLASSES, SHOWN = 40, 10, 100


class Surrogate(torch.autograd.Function):
    """v > 0 in the dtype of v (snnTorch's own surrogates fall back to float32)."""

    @staticmethod
    def forward(ctx, v):
        ctx.save_for_backward(v)
        return (v > 0).to(v.dtype)

    @staticmethod
    def backward(ctx, gradient):
        (v,) = ctx.saved_tensors
        return gradient / (1.0 + 5.0 * v.abs()) ** 2


# ------------------------------------------------------------------ networks: step by step, (B, n)


class SnnTorch:
    """snnTorch; its exporter wants one value per neuron."""

    gain = 1.0

    def __init__(self, make: Callable[[int], nn.Module]) -> None:
        self.hidden, self.out = make(HIDDEN), make(CLASSES)
        self.net = nn.Sequential(
            nn.Linear(64, HIDDEN), self.hidden, nn.Linear(HIDDEN, 10), self.out
        )

    def start(self) -> None:
        for module in (self.hidden, self.out):
            module.reset_mem()

    def step(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        a = self.net[1](self.net[0](x))
        return a, self.net[3](self.net[2](a))

    def export(self, path: Path, dtype: torch.dtype) -> None:
        for module in (self.hidden, self.out):
            for buffer in ("mem", "syn", "spk"):
                if hasattr(module, buffer):
                    setattr(module, buffer, torch.zeros(0, dtype=dtype))
        sample = torch.zeros(1, 64, dtype=dtype)
        nir.write(path, export_to_nir(self.net, sample, ignore_dims=[0]))


class Norse:
    """Norse; to_nir(dt=1.0) writes time constants in seconds."""

    gain = 5.0

    def __init__(self, make: Callable[[int], nn.Module]) -> None:
        parts = (nn.Linear(64, HIDDEN), make(HIDDEN), nn.Linear(HIDDEN, CLASSES), make(CLASSES))
        self.net = norse.SequentialState(*parts)
        self.states = [None, None]

    def start(self) -> None:
        self.states = [None, None]

    def step(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        a, self.states[0] = self.net[1](self.net[0](x), self.states[0])
        b, self.states[1] = self.net[3](self.net[2](a), self.states[1])
        return a, b

    def export(self, path: Path, dtype: torch.dtype) -> None:
        for name, dt in ((path.stem, 1.0), (f"{path.stem}_default", 0.001)):
            graph = norse.to_nir(self.net, torch.zeros(1, 64, dtype=dtype), dt=dt)
            # its scalars cannot be compressed
            nir.write(path.with_name(f"{name}.nir"), graph, compression=None)


class SpikingJelly:
    """SpikingJelly, at its default dt of 1e-4 s."""

    gain = 2.0

    def __init__(self, make: Callable[[int], nn.Module]) -> None:
        parts = (layer.Linear(64, HIDDEN), make(HIDDEN), layer.Linear(HIDDEN, CLASSES))
        self.net = nn.Sequential(*parts, make(CLASSES))

    def start(self) -> None:
        functional.reset_net(self.net)

    def step(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        a = self.net[1](self.net[0](x))
        return a, self.net[3](self.net[2](a))

    def export(self, path: Path, dtype: torch.dtype) -> None:
        self.start()
        sample = torch.zeros(1, 64, dtype=dtype)
        nir_exchange.export_to_nir(self.net, sample, save_path=path)


def _leaky(**more) -> Callable[[int], nn.Module]:
    return lambda n: snn.Leaky(
        beta=torch.full((n,), 0.9),
        threshold=torch.ones(n),
        spike_grad=Surrogate.apply,
        init_hidden=True,
        **more,
    )


def _synaptic(**more) -> Callable[[int], nn.Module]:
    return lambda n: snn.Synaptic(
        alpha=torch.full((n,), 0.6),
        beta=torch.full((n,), 0.8),
        threshold=torch.ones(n),
        spike_grad=Surrogate.apply,
        init_hidden=True,
        **more,
    )


def _recurrent(**more) -> Callable[[int], nn.Module]:
    def make(n: int) -> nn.Module:
        if n == CLASSES:
            return _leaky(**more)(n)
        return snn.RLeaky(
            beta=torch.full((n,), 0.9),
            threshold=torch.ones(n),
            linear_features=n,
            spike_grad=Surrogate.apply,
            init_hidden=True,
            **more,
        )

    return make


def _synaptic_recurrent(n: int) -> nn.Module:
    if n == CLASSES:
        return _synaptic()(n)
    return snn.RSynaptic(
        alpha=torch.full((n,), 0.6),
        beta=torch.full((n,), 0.8),
        threshold=torch.ones(n),
        linear_features=n,
        spike_grad=Surrogate.apply,
        init_hidden=True,
    )


def _norse_leak(n: int) -> nn.Module:
    """One resting potential per neuron; to_nir then wants all parameters in that shape."""
    parameters = norse.LIFParameters(
        tau_syn_inv=torch.full((n,), 200.0),
        tau_mem_inv=torch.full((n,), 100.0),
        v_leak=torch.linspace(-0.3, 0.3, n),
        v_th=torch.ones(n),
    )
    return norse.LIFCell(parameters, dt=1e-3)


CASES: dict[str, Callable[[], SnnTorch | Norse | SpikingJelly]] = {
    "snntorch_leaky": lambda: SnnTorch(_leaky()),
    "snntorch_leaky_now": lambda: SnnTorch(_leaky(reset_delay=False)),
    "snntorch_leaky_zero": lambda: SnnTorch(_leaky(reset_mechanism="zero")),
    "snntorch_leaky_zero_now": lambda: SnnTorch(_leaky(reset_mechanism="zero", reset_delay=False)),
    "snntorch_synaptic": lambda: SnnTorch(_synaptic()),
    "snntorch_synaptic_zero": lambda: SnnTorch(_synaptic(reset_mechanism="zero")),
    "snntorch_rleaky": lambda: SnnTorch(_recurrent()),
    "snntorch_rleaky_zero": lambda: SnnTorch(_recurrent(reset_mechanism="zero")),
    "snntorch_rsynaptic": lambda: SnnTorch(_synaptic_recurrent),
    "norse_lif": lambda: Norse(lambda n: norse.LIFCell(norse.LIFParameters(), dt=1e-3)),
    "norse_lif_leak": lambda: Norse(_norse_leak),
    "norse_lifbox": lambda: Norse(lambda n: norse.LIFBoxCell(norse.LIFBoxParameters(), dt=1e-3)),
    "norse_iaf": lambda: Norse(lambda n: norse.IAFCell(norse.IAFParameters())),
    "spikingjelly_lif": lambda: SpikingJelly(lambda n: neuron.LIFNode(tau=4.0)),
    "spikingjelly_lif_undecayed": lambda: SpikingJelly(
        lambda n: neuron.LIFNode(tau=4.0, decay_input=False, v_reset=-0.1)
    ),
    "spikingjelly_if": lambda: SpikingJelly(lambda n: neuron.IFNode()),
    "spikingjelly_cuba": lambda: SpikingJelly(lambda n: neuron.CUBALIFNode()),
}


def run(case, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Spikes (samples, steps, n) of both layers."""
    case.start()
    pairs = [case.step(x[:, t]) for t in range(x.shape[1])]
    return tuple(torch.stack([pair[i] for pair in pairs], 1) for i in (0, 1))


def train(case, x: torch.Tensor, y: torch.Tensor, epochs: int = 12) -> None:
    """Surrogate gradients on the summed output spikes."""
    with torch.no_grad():
        for module in case.net.modules():
            if isinstance(module, nn.Linear):
                module.weight *= case.gain
    optimizer = torch.optim.Adam(case.net.parameters(), lr=5e-3 * case.gain)
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for batch in order.split(64):
            counts = run(case, x[batch])[1].sum(1)
            loss = nn.functional.cross_entropy(counts, y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def main(data_file: str, folder: str) -> None:
    """Make every case."""
    torch.set_num_threads(1)
    data = np.load(data_file)
    train_x, test_x = (torch.from_numpy(data[k].astype(np.float32)) for k in ("train_x", "test_x"))
    for name, make in CASES.items():
        torch.manual_seed(7)
        case = make()
        train(case, train_x, torch.from_numpy(data["train_y"]))
        with torch.no_grad():
            single = run(case, test_x)
            case.start()
            case.export(Path(folder) / f"{name}_float32.nir", torch.float32)
            case.start()
            case.net.double()
            hidden, out = run(case, test_x.double())
        counts = out.sum(1).numpy()
        case.export(Path(folder) / f"{name}.nir", torch.float64)
        accuracy = float((counts.argmax(1) == data["test_y"]).mean())
        np.savez_compressed(
            Path(folder) / f"{name}.npz",
            hidden=hidden[:SHOWN].numpy().astype(np.uint8),
            out=out[:SHOWN].numpy().astype(np.uint8),
            counts=counts,
            accuracy=accuracy,
            float32_differs=sum(
                (a != b).sum().item() for a, b in zip(single, (hidden, out), strict=True)
            ),
            spikes=hidden.sum().item() + out.sum().item(),
        )
        rates = f"{hidden.mean():.3f} {out.mean():.3f}"
        print(f"{name}: accuracy {accuracy:.4f}, spikes per step {rates}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
