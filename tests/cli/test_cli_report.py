"""``spikeloom report``."""

import json


def test_a_report(spikeloom):
    code, out, err = spikeloom("report", "paper.loom", "--inputs", "in.npz", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert (told["output"], told["steps"]) == ("paper.html", 5)
    with open("paper.html", encoding="utf-8") as file:
        text = file.read()
    assert len(text.encode()) == told["bytes"]
    assert "<h2>5 steps on emulator</h2>" in text
    assert told["hash"] in text
    code, out, _ = spikeloom("report", "paper.loom", "-o", "other.html")
    assert (code, out) == (0, "written to other.html\n")


def test_wrong_options(spikeloom):
    code, _, err = spikeloom("report", "paper.loom", "--chip", "loihi")
    assert code == 7
    assert err == (
        "spikeloom: error: a chip is timed in a run, whose length is not known\n"
        "  found: neither --steps nor --inputs\n  remedy: say how many: --steps 100\n"
    )
    assert spikeloom("report", "none.loom")[0] == 6
    assert spikeloom("report", "paper.loom", "-o", "nowhere/x.html")[0] == 6
