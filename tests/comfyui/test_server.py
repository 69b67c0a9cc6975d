"""The folder as a user copies it, found by ComfyUI's own loader and run over HTTP."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from toys import comfyui_tree as tree
from toys.docs import ROOT

pytestmark = [*tree.needs_comfyui, pytest.mark.slow]

GRAPH = {
    "1": ("UncollapseMiniature", {"concept": "dog", "strength_model": 1.0, "strength_clip": 1.0}),
    "2": (
        "UncollapseConceptByRole",
        {
            "placeholder": "sks dog",
            "anchor": "dog",
            "alpha_concept": 0.0,
            "alpha_context": 1.0,
            "alpha_rest": 1.0,
            "beta": 1.0,
            "anchor_encoder": "base",
        },
    ),
    "3": (
        "UncollapseTextEncode",
        {"clip": ["1", 1], "concept": ["2", 0], "text": "a photo of sks dog in the snow"},
    ),
    "4": ("CLIPTextEncode", {"clip": ["1", 1], "text": ""}),
    "5": ("EmptyLatentImage", {"width": 128, "height": 128, "batch_size": 1}),
    "6": (
        "KSampler",
        {
            "model": ["1", 0],
            "positive": ["3", 0],
            "negative": ["4", 0],
            "latent_image": ["5", 0],
            "seed": 7,
            "steps": 2,
            "cfg": 4.0,
            "sampler_name": "ddim",
            "scheduler": "sgm_uniform",
            "denoise": 1.0,
        },
    ),
    "7": ("VAEDecode", {"samples": ["6", 0], "vae": ["1", 2]}),
    "8": ("SaveImage", {"images": ["7", 0], "filename_prefix": "dog"}),
}
PROMPT = {i: {"class_type": kind, "inputs": inputs} for i, (kind, inputs) in GRAPH.items()}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Its address; the node pack is in it, and nothing else."""
    base = tmp_path_factory.mktemp("comfyui")
    for name in ("models", "input", "output", "web"):
        (base / name).mkdir()
    (base / "web" / "index.html").write_text("")
    shutil.copytree(ROOT / "integrations" / "comfyui", base / "custom_nodes" / "tea")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    options = ["--cpu", "--fp32-text-enc", "--disable-api-nodes", "--disable-auto-launch"]
    options += ["--listen", "127.0.0.1", "--port", port, "--database-url", "sqlite:///:memory:"]
    options += ["--base-directory", str(base), "--front-end-root", str(base / "web")]
    path = os.pathsep.join([str(ROOT / "tests"), str(ROOT / "src")])
    log = (base / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "toys.comfyui_tree", *options],
        env=os.environ | {"PYTHONPATH": path},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/system_stats").close()
                break
            except (urllib.error.URLError, ConnectionError):
                assert process.poll() is None, (base / "log").read_text()
                time.sleep(1)
        yield address, base
    finally:
        process.terminate()
        process.wait()
        log.close()


def test_the_loader_finds_every_node(server):
    from uncollapse.comfyui.nodes import NODES

    found = get(server, "/object_info")
    assert sum(name.startswith("Uncollapse") for name in found) == len(NODES)
    assert list(found["UncollapseTextEncode"]["input"]["required"]) == ["clip", "concept", "text"]


def test_a_picture_is_drawn_and_the_report_comes_along(server):
    asked = urllib.request.Request(
        f"{server[0]}/prompt", json.dumps({"prompt": PROMPT}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked) as answer:
        prompt = json.load(answer)["prompt_id"]
    while not (history := get(server, f"/history/{prompt}")):
        time.sleep(1)
    done = history[prompt]
    assert done["status"]["status_str"] == "success", done["status"]
    [report] = done["outputs"]["3"]["text"]
    assert "sks dog → dog: TEA α 0/1/1" in report
    assert len(list((server[1] / "output").glob("dog*.png"))) == 1


def get(server, path):
    with urllib.request.urlopen(server[0] + path) as answer:
        return json.load(answer)
