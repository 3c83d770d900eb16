"""The udev rule that gives the person at the machine the boards, and keeps ModemManager away."""

from __future__ import annotations

from .catalogue import BOARDS


def udev_rules() -> str:
    """The rules file; its number is to be below 73, where ``uaccess`` is handled."""
    names: dict[tuple[int, int], list[str]] = {}
    for board in BOARDS.values():
        for usb in {board.programmer.usb, *([board.adapter.usb] if board.adapter.usb else [])}:
            names.setdefault(usb, []).append(board.name)
    lines = [
        "# Boards of Spikeloom: for /etc/udev/rules.d/60-spikeloom.rules",
        'ACTION!="add|change", GOTO="spikeloom_end"',
        'SUBSYSTEM!="usb|tty|hidraw", GOTO="spikeloom_end"',
    ]
    for (vendor, product), boards in sorted(names.items()):
        match = f'ATTRS{{idVendor}}=="{vendor:04x}", ATTRS{{idProduct}}=="{product:04x}"'
        lines.append(f"# {', '.join(sorted(boards))}")
        lines.append(f'{match}, MODE="0660", TAG+="uaccess", ENV{{ID_MM_DEVICE_IGNORE}}="1"')
    lines.append('LABEL="spikeloom_end"')
    return "".join(f"{line}\n" for line in lines)
