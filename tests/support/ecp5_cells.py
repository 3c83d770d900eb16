"""Models of those ECP5 cells that yosys places but does not describe.

As told by Lattice's ECP5 memory and sysDSP usage guides (FPGA-TN-02204, FPGA-TN-02205), as far as
the mapped designs use them; a parameter that asks for more ends the simulation with a message.
"""

from __future__ import annotations

ROWS = 64
"""INITVAL parameters of a block RAM, of sixteen rows of 18 bits each, 20 bits apart."""


def ecp5_cells() -> str:
    """Verilog of MULT18X18D (unregistered), EHXPLLL (its output is its input) and DP16KD."""
    return "\n".join((_MULTIPLIER, _PLL, _memory()))


def _pins(name: str, count: int) -> str:
    return ", ".join(f"{name}{i}" for i in reversed(range(count)))


_MULTIPLIER = f"""
module MULT18X18D(
    input {_pins("A", 18)},
    input {_pins("B", 18)},
    input {_pins("C", 18)},
    input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
    output {_pins("P", 36)}
);
    wire [17:0] a = {{{_pins("A", 18)}}}, b = {{{_pins("B", 18)}}};
    wire [36:0] x = {{{{19{{SIGNEDA & a[17]}}}}, a}}, y = {{{{19{{SIGNEDB & b[17]}}}}, b}};
    wire [36:0] p = x * y;
    assign {{{_pins("P", 36)}}} = p[35:0];
    always @* if (SOURCEA | SOURCEB) begin
        $display("MULT18X18D: a shifted source has no model"); $fatal;
    end
endmodule"""

_PLL = """
module EHXPLLL #(
    parameter CLKI_DIV = 1, CLKFB_DIV = 1, CLKOP_DIV = 1, CLKOP_CPHASE = 0, CLKOP_FPHASE = 0,
    parameter CLKOP_ENABLE = "", DPHASE_SOURCE = "", FEEDBK_PATH = "", INTFB_WAKE = "",
    parameter OUTDIVIDER_MUXA = "", PLLRST_ENA = "", STDBY_ENABLE = ""
) (
    input CLKI, CLKFB, PHASESEL1, PHASESEL0, PHASEDIR, PHASESTEP, PHASELOADREG, PLLWAKESYNC, STDBY,
    input RST, ENCLKOP,
    output CLKOP, LOCK
);
    assign CLKOP = CLKI;
    assign LOCK = 1'b1;
endmodule"""

_WRITES = (
    (18, "{r}[8:0]", "{a}[0]", 0, 9),
    (18, "{r}[17:9]", "{a}[1]", 9, 9),
    (9, "{r}[{a}[3] * 9 +: 9]", "1'b1", 0, 9),
    (4, "{r}[{a}[3] * 9 + {a}[2] * 4 +: 4]", "1'b1", 0, 4),
    (2, "{r}[{a}[3] * 9 + {a}[2:1] * 2 +: 2]", "1'b1", 0, 2),
    (1, "{r}[{a}[3] * 9 + {a}[2:0]]", "1'b1", 0, 1),
)
"""Width of the port, the bits of a row that it writes, when, and from which of its data."""


def _memory() -> str:
    """A block RAM with both ports in one clock.

    What a port reads where the other one writes is not defined by the vendor: here it is the wrong
    value, so that no design that needs it passes.
    """
    load = "\n".join(
        "        for (i = 0; i < 16; i = i + 1)"
        f" rows[{16 * n} + i] = INITVAL_{n:02X}[20 * i +: 18];"
        for n in range(ROWS)
    )
    parameters = ", ".join(f"INITVAL_{n:02X} = 320'd0" for n in range(ROWS))
    wide = "\n".join(
        f"            if (ada[{n}]) rows[{{ada[13:5], 1'b{n >> 1}}}]"
        f"[{9 * (n & 1)} +: 9] <= di[{9 * n} +: 9];"
        for n in range(4)
    )
    writes = {}
    for address, first in (("ada", 0), ("adb", 18)):
        row = f"rows[{address}[13:4]]"
        writes[address] = "\n".join(
            f"            if (DATA_WIDTH_{address[-1].upper()} == {width} && {when}) "
            f"{where} <= di[{first + low} +: {bits}];".format(r=row, a=address)
            for width, where, when, low, bits in _WRITES
        )
    return f"""
module DP16KD #(
    parameter [319:0] {parameters},
    parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18, REGMODE_A = "NOREG", REGMODE_B = "NOREG",
    parameter RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC", CSDECODE_A = "", CSDECODE_B = "",
    parameter CLKAMUX = "CLKA", CLKBMUX = "CLKB", GSR = "AUTO",
    parameter WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL"
) (
    input {_pins("ADA", 14)},
    input {_pins("ADB", 14)},
    input {_pins("DIA", 18)},
    input {_pins("DIB", 18)},
    input CLKA, CEA, OCEA, WEA, RSTA, CSA0, CSA1, CSA2,
    input CLKB, CEB, OCEB, WEB, RSTB, CSB0, CSB1, CSB2,
    output {_pins("DOA", 18)},
    output {_pins("DOB", 18)}
);
    reg [17:0] rows [0:1023];
    integer i;
    initial begin
{load}
        if (REGMODE_A != "NOREG" || REGMODE_B != "NOREG" || CLKAMUX != "CLKA" || CLKBMUX != "CLKB"
            || WRITEMODE_A == "WRITETHROUGH" || WRITEMODE_B == "WRITETHROUGH") begin
            $display("DP16KD: a mode that has no model"); $fatal;
        end
    end
    wire [13:0] ada = {{{_pins("ADA", 14)}}}, adb = {{{_pins("ADB", 14)}}};
    wire [35:0] di = {{{_pins("DIB", 18)}, {_pins("DIA", 18)}}};
    // A write without a byte is none.
    wire [3:0] bytes_a = DATA_WIDTH_A == 36 ? ada[3:0] : DATA_WIDTH_A == 18 ? ada[1:0] : 4'd1;
    wire [1:0] bytes_b = DATA_WIDTH_B == 18 ? adb[1:0] : 2'd1;
    wire wa = CEA & WEA & |bytes_a, wb = CEB & WEB & |bytes_b & (DATA_WIDTH_A != 36);
    reg [35:0] qa = 0, qb = 0;

    function [35:0] look(input [13:0] ad, input integer width);
        reg [17:0] row;
        row = rows[ad[13:4]];
        case (width)
            36: look = {{rows[{{ad[13:5], 1'b1}}], rows[{{ad[13:5], 1'b0}}]}};
            18: look = {{18'd0, row}};
            9: look = {{27'd0, row[ad[3] * 9 +: 9]}};
            4: look = {{32'd0, row[ad[3] * 9 + ad[2] * 4 +: 4]}};
            2: look = {{34'd0, row[ad[3] * 9 + ad[2:1] * 2 +: 2]}};
            default: look = {{35'd0, row[ad[3] * 9 + ad[2:0]]}};
        endcase
    endfunction

    // Address bits that do not tell places of the wider port apart.
    localparam WIDER = DATA_WIDTH_A > DATA_WIDTH_B ? DATA_WIDTH_A : DATA_WIDTH_B;
    localparam LOW =
        WIDER == 36 ? 5 : WIDER == 18 ? 4 : WIDER == 9 ? 3 : WIDER == 4 ? 2 : WIDER - 1;
    wire meet = (ada >> LOW) == (adb >> LOW);

    always @(posedge CLKA) begin
        if (wa) begin
{writes["ada"]}
        end
        if (wa && DATA_WIDTH_A == 36) begin
{wide}
        end
        if (wb) begin
{writes["adb"]}
        end
        if (RSTA && RESETMODE == "SYNC") qa <= 0;
        else if (CEA && !(wa && WRITEMODE_A == "NORMAL"))
            qa <= look(ada, DATA_WIDTH_A) ^ {{36{{meet & wb}}}};
        if (RSTB && RESETMODE == "SYNC") qb <= 0;
        else if (CEB && !(wb && WRITEMODE_B == "NORMAL"))
            qb <= look(adb, DATA_WIDTH_B) ^ {{36{{meet & wa}}}};
    end
    wire [35:0] oa = RESETMODE == "ASYNC" && RSTA ? 36'd0 : qa;
    wire [35:0] ob = RESETMODE == "ASYNC" && RSTB ? 36'd0 : qb;
    assign {{{_pins("DOA", 18)}}} = DATA_WIDTH_B == 36 ? ob[17:0] : oa[17:0];
    assign {{{_pins("DOB", 18)}}} = DATA_WIDTH_B == 36 ? ob[35:18] : ob[17:0];
endmodule
"""
