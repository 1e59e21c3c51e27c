from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import mtdnn_tf as mtdnn
from tests.helpers import write_tasks

MOOD = mtdnn.Classification("mood", "sentence", ["bad", "good"], label="mood", metrics=["accuracy", "f1"])
SIMILARITY = mtdnn.Regression("similarity", ["first", "second"], metrics=["pearson", "spearman"])


@pytest.fixture(name="options", scope="session")
def _options(tmp_path_factory) -> dict[str, Any]:
    return {
        "backbone": "tiny",
        "epochs": 1,
        "batch_size": 8,
        "max_sequence_length": 32,
        "learning_rate": 1e-2,
        "cache_dir": tmp_path_factory.mktemp("cache"),
    }


@pytest.fixture(name="data", scope="session")
def _data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    write_tasks(folder)

    def table(task, split):
        return pd.read_csv(folder / f"{task}_{split}.tsv", sep="\t")

    data = {task: {split: table(task, split) for split in ("train", "validation")} for task in ("mood", "similarity")}
    data["mood"]["unlabelled"] = table("mood", "test")[["sentence"]]
    return data


@pytest.fixture(name="student", scope="session")
def _student(data, options, tmp_path_factory):
    return mtdnn.distill(
        [MOOD, SIMILARITY], data, output_dir=tmp_path_factory.mktemp("distilled"), teachers=2, **options
    )
