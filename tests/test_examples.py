"""Each example runs as its first lines say."""

import subprocess
import sys
from pathlib import Path

from PIL import Image

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_the_world_is_drawn_into_the_named_file(tmp_path):
    path = tmp_path / "world.png"
    subprocess.run([sys.executable, EXAMPLES / "draw_the_world.py", path], check=True)
    with Image.open(path) as sheet:
        assert sheet.width > sheet.height > 300
