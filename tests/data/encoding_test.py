from __future__ import annotations

import dataclasses
import json
import math
import tracemalloc

import numpy as np
import pytest

from mtdnn_tf.data import encoded_split, encoding
from mtdnn_tf.data.encoded_split import open_encoded_split
from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.sources.example import Example
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.streaming import row_digest, text_lines
from mtdnn_tf.data.streaming.row_digest import data_fingerprint
from mtdnn_tf.data.streaming.sorted_lines import SortedLines
from mtdnn_tf.data.streaming.split_rows import SplitRows
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.task import SplitFile, Task

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "cat", "sat", "##s", "."]
TOKENIZER = WordPieceTokenizer(VOCABULARY, lowercase=True)
PAIRS = Task(
    name="pairs",
    kind="classification",
    text=("one", "two"),
    labels=("no", "yes"),
    metrics=("accuracy",),
    files={"train": SplitFile("train.jsonl"), "test": SplitFile("test.jsonl", label=None)},
    id="key",
)
SCORES = Task(
    name="scores",
    kind="regression",
    text=("one",),
    metrics=("pearson",),
    files={"train": SplitFile("scores.tsv", label_required=False)},
)
ROWS = [
    {"key": "x1", "one": "The cats sat.", "two": "cat", "label": "yes"},
    {"key": "x2", "one": "", "two": "\x00the dog\x00", "label": "no"},
    {"key": "x3", "one": "the the the the", "two": "cat cat cat cat", "label": "yes"},
]


@pytest.fixture
def source(tmp_path) -> DataSource:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("train.jsonl", "test.jsonl"):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (folder / "scores.tsv").write_text("one\tlabel\nthe\t2.5\ncat\t\n")
    return DataSource("files", folder)


def test_encodes_pairs(source, tmp_path):
    encoded = EncodedData(source, TOKENIZER, 9, tmp_path / "cache").split(PAIRS, "train")
    assert encoded.example_ids == ["x1", "x2", "x3"]
    assert len(encoded) == 3
    assert (encoded.task, encoded.split) == (PAIRS, "train")
    expected = [[2, 4, 5, 7, 6, 8, 3, 5, 3], [2, 3, 4, 1, 3], [2, 4, 4, 4, 3, 5, 5, 5, 3]]
    assert encoded.lengths.tolist() == [9, 5, 9]
    assert np.split(encoded.token_ids, encoded.offsets[1:-1])[1].tolist() == expected[1]
    assert encoded.first_segment_lengths.tolist() == [7, 2, 5]
    assert encoded.labels.tolist() == [1, 0, 1]
    assert encoded.labels.dtype == np.int32
    assert encoded.manifest["tokens"] == 23
    assert encoded.manifest["truncated"] == 1
    batch = encoded.batch(np.array([2, 0]))
    assert batch["token_ids"].tolist() == [expected[2], expected[0]]


def test_encodes_scores_and_rows_without_gold(source, tmp_path):
    scores = EncodedData(source, TOKENIZER, 8, tmp_path).split(SCORES, "train").labels
    assert scores.dtype == np.float32
    assert scores[0] == 2.5
    assert math.isnan(scores[1])
    assert EncodedData(source, TOKENIZER, 8, tmp_path).split(PAIRS, "test").labels.tolist() == [-1, -1, -1]


def test_more_rows_than_go_into_one_call(tmp_path):
    rows = 2500
    (tmp_path / "scores.tsv").write_text("one\tlabel\n" + "".join(f"{'the ' * (n % 7)}\t{n}\n" for n in range(rows)))
    encoded = EncodedData(DataSource("files", tmp_path), TOKENIZER, 32, tmp_path / "cache").split(SCORES, "train")
    assert encoded.lengths.tolist() == [n % 7 + 2 for n in range(rows)]
    assert encoded.labels.tolist() == list(range(rows))


def changed(task: Task, **fields: object) -> Task:
    return dataclasses.replace(task, **fields)  # type: ignore[arg-type]


def test_a_second_call_finds_the_first_ones_files(source, tmp_path, monkeypatch):
    EncodedData(source, TOKENIZER, 9, tmp_path / "cache").split(PAIRS, "train")
    monkeypatch.setattr(DataSource, "stream", lambda *arguments: pytest.fail("read the source again"))
    same = EncodedData(source, WordPieceTokenizer(VOCABULARY, True), 9, tmp_path / "cache").split(PAIRS, "train")
    assert same.example_ids == ["x1", "x2", "x3"]
    # What does not change a row changes no key.
    EncodedData(source, TOKENIZER, 9, tmp_path / "cache").split(changed(PAIRS, dropout=0.3, metrics=("f1",)), "train")


def test_every_changed_input_is_encoded_anew(source, tmp_path, monkeypatch):
    cache = tmp_path / "cache"

    def folders_after(task=PAIRS, tokenizer=TOKENIZER, length=9) -> int:
        EncodedData(source, tokenizer, length, cache).split(task, "train")
        return len(list(cache.glob("*/*")))

    assert folders_after() == 1
    assert folders_after(tokenizer=WordPieceTokenizer([*VOCABULARY, "dog"], True)) == 2
    assert folders_after(tokenizer=WordPieceTokenizer([*VOCABULARY[:-2], ".", "##s"], True)) == 3
    assert folders_after(tokenizer=WordPieceTokenizer(VOCABULARY, False)) == 4
    assert folders_after(length=10) == 5
    assert folders_after(changed(PAIRS, text=("two", "one"))) == 6
    assert folders_after(changed(PAIRS, text=("one",))) == 7
    assert folders_after(changed(PAIRS, labels=("yes", "no"))) == 8
    assert folders_after(changed(PAIRS, file_labels=("yes", "no"))) == 9
    assert folders_after(changed(PAIRS, id="row")) == 10
    assert folders_after(changed(PAIRS, skip_labels=("no",))) == 11
    assert folders_after(changed(PAIRS, name="other")) == 12
    monkeypatch.setattr(encoding, "TRUNCATION", "other")
    assert folders_after() == 13
    monkeypatch.undo()
    monkeypatch.setattr(encoding, "SCHEMA_VERSION", 0)
    assert folders_after() == 14
    monkeypatch.undo()
    path = source.data_dir / "train.jsonl"
    path.write_text(path.read_text().replace("x1", "y1"))
    assert folders_after() == 15


def test_a_split_that_is_found_is_told_of_once(source, tmp_path, caplog):
    caplog.set_level("INFO", logger="absl")
    for _ in range(3):
        EncodedData(source, TOKENIZER, 9, tmp_path).split(PAIRS, "train")
    assert caplog.text.count("encoded pairs train: 3 rows") == 1
    assert caplog.text.count("found pairs train encoded in") == 1


def test_the_same_data_in_another_folder_are_found(source, tmp_path, monkeypatch):
    EncodedData(source, TOKENIZER, 9, tmp_path / "cache").split(PAIRS, "train")
    monkeypatch.setattr(DataSource, "stream", lambda *arguments: pytest.fail("read the source again"))
    moved = source.data_dir.rename(tmp_path / "moved")
    EncodedData(DataSource("files", moved), TOKENIZER, 9, tmp_path / "cache").split(PAIRS, "train")


def test_many_unknown_tokens_are_warned_of(source, tmp_path, caplog):
    task = dataclasses.replace(PAIRS, text=("two",))
    caplog.set_level("INFO", "absl")
    EncodedData(source, TOKENIZER, 9, tmp_path / "cache").split(task, "train")
    assert "encoded pairs train: 3 rows, 13 tokens, 7.7% of them [UNK], 0 rows truncated" in caplog.text
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1 and warnings[0].startswith("pairs train: 7.7 % of the tokens are [UNK]")
    caplog.clear()
    (tmp_path / "cache").rename(tmp_path / "moved")
    EncodedData(source, TOKENIZER, 9, tmp_path / "moved").split(task, "train")
    assert "found pairs train encoded in" in caplog.text and caplog.text.count("of the tokens are [UNK]") == 1


def test_data_fingerprint_depends_on_ids_and_texts_alone():
    rows = [Example("1", "a", "b", label=0), Example("2", "c", "d")]
    original = data_fingerprint(rows)
    assert data_fingerprint([rows[0]._replace(label=1), rows[1]]) == original
    assert data_fingerprint([rows[1], rows[0]]) == original
    others = [
        rows[:1],
        [rows[0]._replace(example_id="3"), rows[1]],
        [rows[0]._replace(text_a="ab", text_b=""), rows[1]],
        [rows[0]._replace(text_b=None), rows[1]],
    ]
    assert len({original, *map(data_fingerprint, others)}) == 5


def test_the_manifest_tells_what_the_split_was_made_from(source, tmp_path):
    EncodedData(source, TOKENIZER, 9, tmp_path).split(PAIRS, "train")
    (folder,) = (tmp_path / "pairs").iterdir()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert folder.name == f"train-{manifest['key'][:16]}"
    assert manifest["rows"] == 3
    assert manifest["made_from"]["tokenizer"] == TOKENIZER.fingerprint()
    assert manifest["made_from"]["max_sequence_length"] == 9
    assert manifest["made_from"]["truncation"] == "longest_first"
    assert manifest["made_from"]["task"]["labels"] == ["no", "yes"]
    assert open_encoded_split(folder, PAIRS).data_fingerprint == manifest["data_fingerprint"]


def test_nothing_is_left_of_a_failed_encoding(source, tmp_path):
    path = source.data_dir / "train.jsonl"
    path.write_text(path.read_text() + '{"key": "x4", "one": "cat", "two": "cat", "label": "maybe"}\n')
    with pytest.raises(UserError, match="maybe"):
        EncodedData(source, TOKENIZER, 9, tmp_path / "cache").split(PAIRS, "train")
    with pytest.raises(UserError, match="got 3"):
        EncodedData(source, TOKENIZER, 3, tmp_path / "cache").split(PAIRS, "train")
    assert not list(tmp_path.glob("cache/*/*"))


def test_duplicate_ids_are_refused_with_both_places(source, tmp_path):
    rows = [{"key": f"x{number % 1500}", "one": "cat", "two": "", "label": "yes"} for number in range(1700)]
    (source.data_dir / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    message = r"train.jsonl:1501: duplicate id 'x0', also at .*train.jsonl:1; ids must be unique"
    with pytest.raises(UserError, match=message):
        EncodedData(source, TOKENIZER, 9, tmp_path / "cache").split(PAIRS, "train")
    assert not list(tmp_path.glob("cache/*/*"))


def test_memory_does_not_grow_with_the_rows(tmp_path, monkeypatch):
    # So many characters that what is read of each run at a time is more than the least that is read.
    monkeypatch.setattr(row_digest, "SortedLines", lambda folder: SortedLines(folder, 400_000))
    monkeypatch.setattr(encoded_split, "_CHECKED_AT_ONCE", 10_000)
    monkeypatch.setattr(text_lines, "_BYTES_READ_AT_ONCE", 10_000)

    def peak(rows: int) -> int:
        lines = (f"the cat {number // 2}\t{number}\n" for number in range(rows))
        (tmp_path / "scores.tsv").write_text("one\tlabel\n" + "".join(lines))
        task = dataclasses.replace(SCORES, id="hash")
        tracemalloc.start()
        try:
            EncodedData(DataSource("files", tmp_path), TOKENIZER, 32, tmp_path / "cache").split(task, "train")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(2000)
    assert peak(40_000) < 1.1 * peak(8000)


RANKING = Task(
    name="answers",
    kind="ranking",
    text=("one", "two"),
    labels=("no", "yes"),
    metrics=("mrr",),
    files={"train": SplitFile("train.jsonl"), "test": SplitFile("test.jsonl", label=None)},
    id="key",
    group="of",
)


def _write_candidates(folder, groups="bab"):
    rows = [{**row, "of": group} for row, group in zip(ROWS, groups)]
    for name in ("train.jsonl", "test.jsonl"):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_encodes_the_query_of_each_candidate(source, tmp_path):
    _write_candidates(source.data_dir)
    encoded = EncodedData(source, TOKENIZER, 9, tmp_path / "cache").split(RANKING, "train")
    assert np.asarray(encoded.queries).tolist() == [0, 1, 0]
    assert np.asarray(encoded.queries).dtype == np.int32
    assert (encoded.labels.tolist(), encoded.labels.dtype) == ([1, 0, 1], np.int32)
    test = EncodedData(source, TOKENIZER, 9, tmp_path / "cache").split(RANKING, "test")
    assert test.labels.tolist() == [-1] * 3
    # Without a column for it, the query is the first text.
    by_text = dataclasses.replace(RANKING, group=None, text=("two", "one"))
    queries = EncodedData(source, TOKENIZER, 9, tmp_path / "cache").split(by_text, "train").queries
    assert np.asarray(queries).tolist() == [0, 1, 2]
    assert EncodedData(source, TOKENIZER, 9, tmp_path / "cache").split(PAIRS, "train").queries is None


def test_data_fingerprint_of_a_ranking_depends_on_its_queries(source, tmp_path):
    fingerprints = set()
    for groups in ("bab", "abb", "bab"):
        _write_candidates(source.data_dir, groups)
        fingerprints.add(EncodedData(source, TOKENIZER, 9, tmp_path / "cache").split(RANKING, "train").data_fingerprint)
    assert len(fingerprints) == 2


def test_a_candidate_without_a_query_is_refused_with_its_line(source, tmp_path):
    _write_candidates(source.data_dir, ["a", "", "b"])
    with pytest.raises(UserError, match=r"train.jsonl:2: column 'of' must name the query of the candidate, got"):
        EncodedData(source, TOKENIZER, 9, tmp_path / "cache").split(RANKING, "train")
    by_text = dataclasses.replace(RANKING, group=None)
    with pytest.raises(UserError, match=r"train.jsonl:2: column 'one' must name the query"):
        EncodedData(source, TOKENIZER, 9, tmp_path / "cache").split(by_text, "train")
    with pytest.raises(UserError, match=r"column 'off' is missing|'off'"):
        EncodedData(source, TOKENIZER, 9, tmp_path / "cache").split(dataclasses.replace(RANKING, group="off"), "train")


def test_a_part_of_a_split_is_what_the_whole_has_of_it(tmp_path):
    texts = ["the cat", "the cat sat", "cats", "the cat", ".", "the cat", "sat"]
    (tmp_path / "scores.tsv").write_text("one\tlabel\n" + "".join(f"{text}\t{n}\n" for n, text in enumerate(texts)))
    data = EncodedData(DataSource("files", tmp_path), TOKENIZER, 32, tmp_path / "cache")
    task = changed(SCORES, id="hash")
    all_rows, rows = data.rows(task, "train"), np.array([1, 3, 5])
    part = data.part(task, "train", all_rows, rows)
    assert isinstance(all_rows, SplitRows) and len(part.encoded) == 3
    # Found again, and not read.
    assert data.part(task, "train", all_rows, rows).encoded.manifest == part.encoded.manifest
    folders = sorted((tmp_path / "cache" / "scores").iterdir())
    assert len(folders) == 2
    whole = data.split(task, "train")
    # The texts of row 0 are repeated by rows 3 and 5.
    assert whole.example_ids[5] == f"{whole.example_ids[0]}-3"
    assert all_rows.example_ids == whole.example_ids and all_rows.data_fingerprint == whole.data_fingerprint
    expected = whole.take(rows)
    assert part.encoded.example_ids == expected.example_ids
    for name in ("token_ids", "offsets", "first_segment_lengths", "labels"):
        np.testing.assert_array_equal(getattr(part.encoded, name), getattr(expected, name))
    assert part.encoded.data_fingerprint == whole.data_fingerprint
    # With the whole split in the cache, a part is in it.
    again = data.part(task, "train", data.rows(task, "train"), rows)
    assert again.places.tolist() == [1, 3, 5] and again.encoded.manifest["key"] == whole.manifest["key"]
    assert len(list((tmp_path / "cache" / "scores").iterdir())) == 3


def test_rows_of_a_ranking_have_the_queries_of_its_split(tmp_path):
    _write_candidates(tmp_path)
    data = EncodedData(DataSource("files", tmp_path), TOKENIZER, 32, tmp_path / "cache")
    rows = data.rows(RANKING, "train")
    assert np.asarray(rows.queries).tolist() == np.asarray(data.split(RANKING, "train").queries).tolist() == [0, 1, 0]
    taken = rows.take(np.array([0, 2]))
    assert (taken.example_ids, np.asarray(taken.queries).tolist()) == (["x1", "x3"], [0, 0])


def test_duplicate_ids_are_refused_before_a_part_is_encoded(source, tmp_path):
    lines = [json.dumps({**ROWS[0], "key": key}) + "\n" for key in ("x0", "x1", "x0")]
    (tmp_path / "data" / "train.jsonl").write_text("".join(lines))
    data = EncodedData(source, TOKENIZER, 9, tmp_path / "cache")
    with pytest.raises(UserError, match=r"train.jsonl:3: duplicate id 'x0', also at .*train.jsonl:1; ids must be uni"):
        data.rows(PAIRS, "train")
    assert not list((tmp_path / "cache" / "pairs").glob("*"))
