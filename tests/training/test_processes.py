"""Several processes, as ``accelerate launch`` starts them: their batches together are one step."""

import subprocess
import sys

import pytest
import torch

from toys.pipelines import make_pipeline
from toys.trainings import make_photos
from uncollapse.learned_embeds import read
from uncollapse.training import TextualInversion, train

CAT = {"placeholder": "<my-cat>", "class_word": "cat", "batch_size": 2, "steps": 3}
SCRIPT = f"""
import sys
from toys.pipelines import make_pipeline
from uncollapse.training import TextualInversion, train

train(make_pipeline(), sys.argv[1], sys.argv[2], TextualInversion(**{CAT}))
"""


@pytest.mark.slow
def test_two_processes_are_two_accumulated_batches(tmp_path, environment):
    photos = make_photos(tmp_path / "photos")
    (tmp_path / "script.py").write_text(SCRIPT)
    launch = ["torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    arguments = [tmp_path / "script.py", photos, tmp_path / "two"]
    environment = {**environment, "ACCELERATE_USE_CPU": "1"}
    command = [sys.executable, "-m", *launch, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    train(make_pipeline(), photos, tmp_path / "one", TextualInversion(**CAT, gradient_accumulation=2))
    two, one = (read(tmp_path / name).vectors["text_encoder"] for name in ("two", "one"))
    torch.testing.assert_close(two, one)
