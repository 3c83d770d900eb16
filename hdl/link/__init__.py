"""The host link in hardware: UART, frames, sessions, commands (``docs/link.md``)."""
