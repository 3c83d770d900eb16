"""From a network description to a Program: front ends, graph IR and passes (docs/compiler.md)."""
