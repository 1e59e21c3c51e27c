"""The files of deploy/ are valid by their schemas, and name what exports and the server have."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from mtdnn_tf.serving import server_files

FOLDER = Path(__file__).parents[1] / "deploy"
EXPORTED = f"/models/{server_files.MODEL_NAME}"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.compose.yaml")), ids=lambda path: path.name)
def test_compose_files_follow_the_specifications_schema(path):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_schema_finds_a_misspelled_field(tmp_path):
    text = (FOLDER / "tf_serving.compose.yaml").read_text().replace("volumes:", "volume:")
    (tmp_path / "wrong.yaml").write_text(text)
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    assert subprocess.run([*command, str(tmp_path / "wrong.yaml")], capture_output=True, check=False).returncode == 1


def test_the_manifest_follows_the_schemas_of_kubernetes():
    documents = list(yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text()))
    for document in documents:
        kubernetes_validate.validate(document, "1.30", strict=True)
    deployment, service = documents
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert {port["targetPort"] for port in service["spec"]["ports"]} == {port["name"] for port in container["ports"]}
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]
    documents[1]["spec"]["ports"][0]["prt"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(documents[1], "1.30", strict=True)


def test_tf_serving_finds_the_files_that_an_export_writes():
    config = server_files.models_config(server_files.MODEL_NAME)
    assert f'base_path: "{EXPORTED}"' in config
    for name in ("tf_serving.compose.yaml", "kubernetes.yaml"):
        text = (FOLDER / name).read_text()
        for file in (server_files.MODELS, server_files.BATCHING):
            assert text.count(f"{EXPORTED}/{file}") == 1
        assert re.search(r"tensorflow/serving:\d+\.\d+\.\d+\n", text)
        assert f"mountPath: {EXPORTED}," in text or f":{EXPORTED}:ro" in text


def test_the_server_has_the_flags_that_it_is_given():
    text = (FOLDER / "mtdnn_serve.compose.yaml").read_text()
    given = set(re.findall(r"- --(\w+)=", text))
    printed = subprocess.run(
        [sys.executable, "-m", "tools.serve", "--help"], cwd=FOLDER.parent, capture_output=True, text=True, check=True
    )
    assert given == {"model", "host", "api_keys_file"}
    assert given <= set(re.findall(r"--(\w+):", printed.stdout))
    (dockerfile,) = FOLDER.glob("*.Dockerfile")
    assert f"dockerfile: deploy/{dockerfile.name}" in text
    copied = re.findall(r"^COPY (.+) \S+$", dockerfile.read_text(), re.MULTILINE)
    assert [name for names in copied for name in names.split() if not (FOLDER.parent / name).exists()] == []
