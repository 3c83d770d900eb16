"""The generated hardware in simulation."""
