import json
import os

import pytest

from benchmarks.command_line import InputError
from benchmarks.families import ANSWER, STEP, main, parse_flags, table
from benchmarks.family_shapes import Shape, config_of, write_folder
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.families import FAMILIES

TINY = ("--layers=2", "--width=32", "--heads=2", "--vocabulary=500", "--batch_size=2", "--length=8")
FEW = ("--rounds=2", "--steps=1", "--answers=2")


@pytest.mark.parametrize("family", FAMILIES)
def test_encoders_have_the_shape(tmp_path, family):
    write_folder(family, Shape(3, 32, 2, 500), tmp_path / family)
    config = find_backbone(f"config:{tmp_path / family / 'config.json'}").config
    assert (config.model_type, config.num_layers, config.hidden_dim, config.num_heads) == (family, 3, 32, 2)
    assert (config.vocabulary_size, config.max_positions) == (500, 512)
    assert config.intermediate_dim == (48 if family == "modernbert" else 128)


def test_albert_and_electra_have_narrow_embeddings_and_modernbert_local_attention():
    assert [config_of(family, Shape())["embedding_size"] for family in ("albert", "electra")] == [128, 128]
    assert config_of("modernbert", Shape())["local_attention"] == 128


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--families=bert,t5", "--families must be some of bert,.*, got 't5'"),
        ("--pytorch=/none/python", "must be a Python interpreter, got /none/python"),
        ("--width=100", "--width must be an even multiple of --heads 12, got 100"),
        ("--vocabulary=400", "--layers must be >= 1 and --vocabulary > 400, got 6 and 400"),
        ("--length=513", "--length must be an integer from 1 to 512, got 513"),
        ("--rounds=0", "--rounds must be an integer >= 1, got 0"),
    ],
)
def test_wrong_flags_are_refused(flag, message):
    with pytest.raises(InputError, match=message):
        parse_flags(["--output=out", "--pytorch=python3", flag])


def test_the_table_has_medians_and_ratios_with_their_spread():
    def measured(ours, theirs, low, high):
        ratio = {"median": ours / theirs, "low": low, "high": high}
        return {"product": {"median": ours}, "PyTorch": {"median": theirs}, "ratio": ratio}

    versions = {"torch": "2", "tensorflow": "3"}
    row = {"family": "bert", "versions": versions, STEP: measured(90, 100, 0.8, 1), ANSWER: measured(5.04, 4, 1.2, 1.3)}
    on = {"cpu": "a CPU", "cores": 2, "date": "2026-01-01", "commit": "abc"}
    flags = {"batch_size": 16, "length": 64, "rounds": 10}
    lines = table({"machine": on, "shape": Shape()._asdict(), "flags": flags, "families": [row]}).splitlines()
    assert lines[0].endswith("a CPU, 2 cores, 2026-01-01, commit abc; torch 2, tensorflow 3.")
    assert lines[-1] == "| bert | 90.0 ms | 100.0 ms | 0.90 (0.80 to 1.00) | 5.0 ms | 4.0 ms | 1.26 (1.20 to 1.30) |"


@pytest.mark.slow
def test_both_sides_of_every_family_are_measured(tmp_path, capsys):
    if not os.environ.get("MTDNN_TF_TORCH_PYTHON"):
        pytest.skip("MTDNN_TF_TORCH_PYTHON names no interpreter")
    main([f"--output={tmp_path}", *TINY, *FEW])
    results = json.loads((tmp_path / "results.json").read_text())
    assert [measured["family"] for measured in results["families"]] == list(FAMILIES)
    for measured in results["families"]:
        # Of the same weights.
        assert measured["difference"] < 1e-5
        for what in (STEP, ANSWER):
            assert all(measured[what][side]["low"] > 0 for side in ("product", "PyTorch", "ratio"))
            assert measured[what]["ratio"]["repeats"] == 2
    assert capsys.readouterr().out == (tmp_path / "families.md").read_text() == table(results)
