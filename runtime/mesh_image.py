"""One core of a mesh as memory contents, and its part of a device's state."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import FitError, UnsupportedError
from .images import HardwareImage
from .mesh_routes import MeshRoutes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..compiler.program import Program
    from ..hdl.geometry import Geometry
    from .backend import State


class MeshCoreImage(HardwareImage):
    """As ``HardwareImage``; destinations are flits, and axons have the numbers of ``MeshRoutes``.

    ``channel_origin`` is -1 for channels that start elsewhere; ``sender_rows`` is not there.
    """

    def __init__(self, program: Program, geometry: Geometry, core: int, routes: MeshRoutes) -> None:
        self._number, self._routes = core, routes
        super().__init__(program, geometry, core)

    def _place_senders(self) -> None:
        """The destination lists of what starts here."""
        program, g, routes, core = self.program, self.geometry, self._routes, self._number
        channels = program.channels
        home = routes.home[:channels]
        generated = program.generators["channel"].astype(np.int64)
        self.driven = np.flatnonzero(home[generated] == core)
        driven = generated[self.driven]
        hosted = np.setdiff1d(np.arange(channels), generated) if core == 0 else driven[:0]
        self.hosted = len(hosted)
        self.channel_origin = np.full(channels, -1, np.int64)
        self.channel_origin[driven] = g.first_generator + np.arange(len(driven))
        self.channel_origin[hosted] = g.first_channel + np.arange(len(hosted))
        base = channels + int(program.core_base[core])
        sender = np.concatenate([base + np.arange(self.core.neurons), driven, hosted])
        origin = np.concatenate(
            [np.arange(self.core.neurons), self.channel_origin[driven], self.channel_origin[hosted]]
        )
        count = (routes.start[sender + 1] - routes.start[sender]).astype(np.int64)
        size = max(g.origins, int(origin.max(initial=-1)) + 1)
        self._destination_count = np.bincount(origin, count, size).astype(np.int64)
        order = np.argsort(origin, kind="stable")
        count, first = count[order], routes.start[sender][order]
        flit = np.repeat(first - (np.cumsum(count) - count), count) + np.arange(int(count.sum()))
        self._destinations = routes.number[flit]
        self._flits = routes.cores[flit]
        there = self.channel_origin >= 0
        self.channel_sends = np.zeros(channels, bool)
        self.channel_sends[there] = self._destination_count[self.channel_origin[there]] > 0
        self.axons = max(len(routes.axon[core]), int(routes.arrivals[core]))

    def _destination_fields(self) -> dict[str, NDArray]:
        fields: dict[str, NDArray] = {"axon": self._destinations}
        for low in range(0, self.geometry.cores, 32):
            part = self._flits >> np.uint64(low) & np.uint64(0xFFFFFFFF)
            fields[f"cores{low // 32}"] = part.astype(np.int64)
        return fields

    def _axon_fields(self) -> dict[str, NDArray]:
        start = self.plan.axon_start
        axon = self._routes.axon[self._number]
        count = np.where(axon >= 0, np.append(np.diff(start), 0)[axon], 0)
        return {"start": np.where(count > 0, start[axon], 0), "count": count}


def mesh_images(program: Program, geometry: Geometry) -> tuple[HardwareImage, ...]:
    """The image of each of a Program's cores, on a core alone or a mesh.

    Raises:
        UnsupportedError: several cores, and rules; or there is no such mesh.
        FitError: a core does not hold its part, or the mesh has too few cores.
    """
    if len(program.cores) == 1 and geometry.cores == 1:
        return (HardwareImage(program, geometry),)
    if program.rules:
        raise UnsupportedError(
            "cores of a mesh cannot learn in this version",
            found=f"{len(program.rules)} rules on {len(program.cores)} cores",
            expected="one core, or no rules",
            remedy='compile for a target with larger cores, or use "emulator"',
        )
    routes = MeshRoutes.of(program)
    cores = len(program.cores)
    # In one row, or with as many columns as there are, cores are where the target has them.
    same = geometry.mesh_columns == routes.columns or (
        routes.rows == 1 <= geometry.mesh_rows and cores <= geometry.mesh_columns
    )
    if cores > geometry.cores or not same:
        raise FitError(
            "the program does not fit the hardware mesh",
            found=f"cores of a mesh of {routes.rows} by {routes.columns}",
            expected=f"{geometry.mesh_rows} by {geometry.mesh_columns}",
            remedy="generate another mesh, or compile for a target with this one",
        )
    return tuple(MeshCoreImage(program, geometry, i, routes) for i in range(cores))


def state_of_core(program: Program, state: State, core: int) -> State:
    """The part of a state that is in one core; what is counted stays as it is."""
    low, high = program.core_base[core : core + 2].tolist()
    if (low, high) == (0, program.neurons):
        return state
    return replace(
        state,
        u=state.u[:, low:high],
        wheel=state.wheel[:, :, low:high],
        **{
            name: getattr(state, name)[low:high]
            for name in ("v", "adapt", "refractory", "reset_pending", "fired", "saturated")
        },
    )
