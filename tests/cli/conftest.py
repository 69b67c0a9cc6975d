"""What ``diagnose`` is given."""

import pytest
import torch

from toys.diagnoses import TEMPLATES
from toys.figures import sketched
from toys.pipelines import WIDTH, add_lora, make_pipeline, save_lora
from uncollapse.learned_embeds import LearnedEmbedding, write
from uncollapse.trajectory import Checkpoint, Trajectory, write_trajectory


@pytest.fixture(autouse=True)
def figures_are_sketched():
    """They are drawn in tests/diagnosis, every kind of them."""
    with sketched():
        yield


@pytest.fixture(scope="session")
def diagnosed(tmp_path_factory):
    """A model, embedding files for it (one broken), a LoRA, lists of sentences, and a training; for all
    tests, so nothing writes there."""
    folder = tmp_path_factory.mktemp("diagnose")
    pipe = make_pipeline()
    pipe.save_pretrained(folder / "model")
    torch.manual_seed(3)
    (folder / "embeddings").mkdir()
    for name in ("cat", "dog"):
        rows = 9 * torch.randn(2, WIDTH)
        write(
            folder / f"embeddings/{name}.safetensors", LearnedEmbedding(f"<{name}>", {"text_encoder": rows})
        )
    (folder / "embeddings" / "broken.pt").write_bytes(b"no embedding")
    add_lora(pipe)
    lora = save_lora(pipe, folder / "lora")
    (folder / "contexts.txt").write_text("\n".join(TEMPLATES), encoding="utf-8")
    (folder / "long.txt").write_text("\n".join([*TEMPLATES, "{} " + "very " * 9 + "far"]), encoding="utf-8")
    steps = tuple(Checkpoint(i, lora.relative_to(folder).as_posix()) for i in range(2))
    write_trajectory(Trajectory(folder, "dreambooth-lora", "sks cat", "cat", str(folder / "model"), steps))
    (folder / "run").mkdir()
    (folder / "trajectory.json").rename(folder / "run" / "trajectory.json")
    (folder / "run" / "lora").mkdir()
    (folder / "run" / "lora" / lora.name).write_bytes(lora.read_bytes())
    return folder
