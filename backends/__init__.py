"""One package per kind of device, all behind :class:`spikeloom.runtime.backend.Backend`."""
