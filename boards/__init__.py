"""One module per FPGA board: clock, pins, memory, and how it is programmed."""
