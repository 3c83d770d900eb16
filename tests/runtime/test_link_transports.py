"""The same session over every kind of line."""

from __future__ import annotations

import contextlib
import os
import tty

import pytest
from support.echo import EchoCore, descriptor

from spikeloom.errors import DeviceError
from spikeloom.runtime.link.client import Client
from spikeloom.runtime.link.model import DeviceModel
from spikeloom.runtime.link.serial_port import SerialPort
from spikeloom.runtime.link.serve import PtyServer, TcpServer
from spikeloom.runtime.link.session import Session
from spikeloom.runtime.link.tcp import TcpConnection
from spikeloom.runtime.link.transport import InProcess


@contextlib.contextmanager
def in_process():
    yield InProcess(DeviceModel(descriptor(), EchoCore()).exchange)


@contextlib.contextmanager
def pty():
    device = DeviceModel(descriptor(), EchoCore())
    with PtyServer(device.exchange) as server, contextlib.ExitStack() as stack:
        port = SerialPort(server.address, 3_000_000)
        stack.callback(port.close)
        yield port


@contextlib.contextmanager
def tcp():
    device = DeviceModel(descriptor(), EchoCore())
    with TcpServer(device.exchange) as server, contextlib.ExitStack() as stack:
        connection = TcpConnection(server.host, server.port)
        stack.callback(connection.close)
        yield connection


@pytest.mark.parametrize("line", [in_process, pty, tcp])
def test_a_session_over_every_line(line):
    image = os.urandom(4 * 4096)
    with line() as transport:
        session = Session(transport)
        session.open()
        client = Client(session)
        client.load({"data": image, "wide": bytes(range(144))})
        assert client.read("data") == image
        assert client.read("fixed", 1, 2) == b"oo"
        assert client.run(1000, counts=True).steps == 1000


def test_a_second_host_takes_over_and_the_first_is_told():
    device = DeviceModel(descriptor(), EchoCore())
    first, second = (Session(InProcess(device.exchange)) for _ in range(2))
    first.open()
    second.open()
    Client(second).write("data", 0, b"abcd")
    second.flush()
    with pytest.raises(DeviceError) as error:
        Client(first).read("data", 0, 1)
    assert str(error.value) == (
        "the device was reset, or another host opened it, while this session was open\n"
        "  found: the device does not know this session any more\n"
        "  where: in-process\n"
        "  remedy: open the device again and load the program; what it held is lost"
    )


def test_two_hosts_one_port():
    device = DeviceModel(descriptor(), EchoCore())
    with PtyServer(device.exchange) as server:
        port = SerialPort(server.address, 115200)
        try:
            with pytest.raises(DeviceError, match="another program uses it; close that one first"):
                SerialPort(server.address, 115200)
        finally:
            port.close()


def test_no_such_port():
    with pytest.raises(DeviceError) as error:
        SerialPort("/dev/ttyNOBODY", 115200)
    assert error.value.where == "/dev/ttyNOBODY at 115200 baud"
    assert error.value.remedy == (
        "plug the board in; `python -m serial.tools.list_ports` lists what is there"
    )


def test_nobody_listens():
    with TcpServer(lambda data: data) as server:
        port = server.port
    with pytest.raises(DeviceError, match="the device cannot be reached"):
        TcpConnection("127.0.0.1", port)


def test_the_line_is_closed_in_mid_session():
    device = DeviceModel(descriptor(), EchoCore())
    server = TcpServer(device.exchange)
    server.start()
    connection = TcpConnection(server.host, server.port)
    session = Session(connection)
    session.open()
    server.close()
    with pytest.raises(DeviceError, match="the line to the device was closed"):
        Client(session).read("data")
    connection.close()


def test_a_break_cannot_be_sent_everywhere():
    transport = InProcess(lambda data: b"")
    with pytest.raises(DeviceError, match="this line cannot carry a break"):
        transport.send_break()


def test_a_port_that_goes_while_its_rate_is_set():
    host, end = os.openpty()
    tty.setraw(end)
    port = SerialPort(os.ttyname(end), 115_200, 1_000_000)
    assert port.set_baud(230_400)
    assert not port.set_baud(-1)
    assert port.name.endswith(" at 230400 baud")
    os.close(host)
    os.close(end)
    for action in (lambda: port.set_baud(460_800), port.send_break):
        with pytest.raises(DeviceError, match=r"^the line to the device was closed"):
            action()
    assert port.baud == 230_400
    port.close()
