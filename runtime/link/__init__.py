"""The host's end of the link, and a device model to talk to (``docs/link.md``)."""
