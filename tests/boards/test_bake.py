"""A network in the bitstream: the device holds it from power-on, and nothing of it is sent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.programs import (
    assert_same_run,
    assert_same_state,
    random_events,
    record_everything,
)
from support.rtl import GEOMETRIES, needs_compiler, program_for

from spikeloom.backends.reference import ReferenceBackend
from spikeloom.backends.rtl.line import LineModel
from spikeloom.backends.rtl.remote import RemoteBackend
from spikeloom.board_bake import contents_of
from spikeloom.boards.catalogue import BOARDS
from spikeloom.boards.design import Design
from spikeloom.errors import InputError, UnsupportedError
from spikeloom.hdl.contents import Contents
from spikeloom.hdl.device import Device, description
from spikeloom.hdl.export import to_rtlil
from spikeloom.runtime.link.transport import InProcess

NAME = "8 lanes, 18 bits"
DIVISOR = 4


@needs_compiler
def test_a_baked_network_runs_without_being_sent():
    program, geometry = program_for(NAME, 5), GEOMETRIES[NAME]
    contents = contents_of(program, geometry)
    device = Device(geometry, description(geometry, DIVISOR), contents)
    reference = ReferenceBackend()
    with_it = RemoteBackend(InProcess(LineModel(device, bit=DIVISOR).exchange))
    for seed in (5, 6):  # then another one, which is sent as ever
        program = program_for(NAME, seed)
        record = record_everything(program)
        events = random_events(program, 10, np.random.default_rng(seed))
        for each in (with_it, reference):
            each.load(program)
        with_it.verify()
        assert (with_it.sent == 0) == (seed == 5)
        assert_same_run(
            reference.run(10, events, record), with_it.run(10, events, record), program, record
        )
        assert_same_state(reference.read_state(), with_it.read_state(), program)
    with_it.close()


def test_what_is_baked_names_the_build():
    geometry = GEOMETRIES[NAME]
    one, same, other = (contents_of(program_for(NAME, seed), geometry) for seed in (5, 5, 6))
    board = BOARDS["ulx3s-25f"]
    hashes = [
        Design.of(board, geometry, contents=each).build_hash(())
        for each in (None, one, same, other)
    ]
    assert hashes[1] == hashes[2]
    assert len(set(hashes)) == 3


def test_spram_cannot_be_baked():
    geometry = GEOMETRIES[NAME]
    contents = contents_of(program_for(NAME, 5), geometry)
    with pytest.raises(InputError) as caught:
        Design.of(BOARDS["icebreaker"], geometry, contents=contents)
    assert str(caught.value) == (
        "this board's bitstream cannot hold a network\n"
        "  found: axon, origin, synapse in SPRAM, which is empty after configuration\n"
        "  where: icebreaker\n"
        "  remedy: load the network with `spikeloom deploy`"
    )


def test_the_small_core_cannot_be_baked():
    board = BOARDS["icebreaker-stdp"]
    with pytest.raises(UnsupportedError) as caught:
        contents_of(program_for(NAME, 5), board.geometry)
    assert str(caught.value) == (
        "a network cannot be in the bitstream of the small core\n"
        "  found: a core whose tables share memories that begin empty\n"
        "  expected: a core with a memory for each table\n"
        "  remedy: load the network with `spikeloom deploy`"
    )
    held = Contents({("neuron", 0, 0): np.ones(1, np.uint32)})
    with pytest.raises(InputError) as refused:
        Design.of(board, contents=held)
    assert str(refused.value) == (
        "this board's bitstream cannot hold a network\n"
        "  found: neuron in SPRAM, which is empty after configuration\n"
        "  where: icebreaker-stdp\n"
        "  remedy: load the network with `spikeloom deploy`"
    )
    small = board.geometry
    with pytest.raises(UnsupportedError) as built:
        to_rtlil(Device(small, description(small, DIVISOR), held), "device")
    assert str(built.value) == (
        "memories of the small core cannot have contents from the beginning\n"
        "  found: a core whose tables share memories\n"
        "  expected: a core with a memory for each table"
    )


def test_a_mesh_cannot_be_baked():
    with pytest.raises(UnsupportedError, match=r"^a network cannot be in the bitstream of several"):
        contents_of(program_for(NAME, 5), replace(GEOMETRIES[NAME], mesh_rows=2))
    mesh = replace(GEOMETRIES[NAME], mesh_rows=2)
    with pytest.raises(UnsupportedError) as caught:
        to_rtlil(Device(mesh, description(mesh, DIVISOR), Contents({})), "device")
    assert str(caught.value) == (
        "memories of a mesh cannot have contents from the beginning\n"
        "  found: a mesh of 2 cores\n  expected: one core"
    )
