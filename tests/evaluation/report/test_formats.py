"""The tables for other readers."""

import json

from uncollapse.evaluation.report import as_json, findings, latex, markdown, tables
from uncollapse.output import plain
from uncollapse.reports import Table

ODD = Table("T|t", ["", "50%_of"], [["a|b\\ & [c] α", 1.5], ["$x$", None]], ["a note"])


def test_markdown_keeps_its_columns_whatever_the_cells_say():
    lines = markdown([ODD]).splitlines()
    assert lines[2] == "|  | 50%\\_of |"
    assert lines[3] == "|---|---:|"
    assert lines[4] == "| a\\|b\\\\ & \\[c\\] α | 1.50 |"
    assert lines[-1] == "a note"


def test_latex_escapes_what_it_would_act_on():
    text = latex([ODD])
    assert r"a\textbar{}b\textbackslash{} \& {[}c{]} $\alpha$ & 1.50 \\" in text
    assert r"\$x\$ & -- \\" in text
    assert r"\begin{tabular}{lr}" in text


def test_json_has_every_figure(evaluated):
    found = findings(evaluated[0], margin=2.0)
    data = json.loads(json.dumps(plain(as_json(found)), allow_nan=False))
    assert len(data["scores"]) == 4
    gains = {(each["score"], each["method"]): each["gains"][1] for each in data["scores"]}
    lora = gains["clip_t|toy|text=context|mean", "LoRA"]
    assert lora["arm"] == "TEA α 0.2"
    assert 4.9 < lora["interval"]["low"] < lora["interval"]["value"] < lora["interval"]["high"]
    assert (lora["better"], lora["units"], lora["missing"]) == (3, 3, 0)
    assert data["claims"][0]["holds"] is True


def test_every_table_of_a_report_can_be_written(evaluated):
    found = tables(findings(evaluated[0], margin=2.0))
    assert markdown(found).count("## ") == latex(found).count(r"\toprule") == 4
