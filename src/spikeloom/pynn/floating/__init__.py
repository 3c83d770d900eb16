"""The floating-point device: PyNN's models in float64, on the same time grid as the machine."""
