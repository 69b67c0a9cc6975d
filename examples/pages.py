"""Run the tutorials, and write each with what it printed and drew as a page of the docs.

    python examples/pages.py                  # all of them; minutes
    python examples/pages.py cure_a_lora      # one

A tutorial is a script. Its docstring is the page's head; comments that begin a paragraph of the script are
the page's text, what stands between them its code. Pictures are left in docs/images.
"""

import io
import shutil
import sys
import tempfile
from contextlib import redirect_stdout
from itertools import groupby
from pathlib import Path

from uncollapse.output import save_text

EXAMPLES = Path(__file__).parent
DOCS = EXAMPLES.parent / "docs"
TUTORIALS = ("cure_a_lora", "cure_and_bake", "train_diagnose_cure")


def parts(source: str) -> tuple[str, list[tuple[bool, str]]]:
    """The docstring of a script, and its parts in turn: whether it is text, and what it says."""
    _, docstring, rest = source.split('"""', 2)
    paragraphs = rest.strip().split("\n\n")
    found = [
        (is_text, "\n\n".join(group))
        for is_text, group in groupby(paragraphs, lambda each: each.startswith("#"))
    ]
    return docstring.strip(), [(is_text, _uncommented(each) if is_text else each) for is_text, each in found]


def _uncommented(text: str) -> str:
    return "\n".join(line.removeprefix("#").removeprefix(" ") for line in text.splitlines())


def page(name: str, printed: list[str] | None = None) -> str:
    """A tutorial's page; ``printed`` has what each part of its code did, none of it by default."""
    docstring, found = parts((EXAMPLES / f"{name}.py").read_text(encoding="utf-8"))
    title, _, head = docstring.partition("\n")
    left = iter(printed or [])
    origin = (
        f"(`python examples/{name}.py` runs it: [the script](../../examples/{name}.py), and "
        "[what all tutorials share](../../examples/tutorial.py).)"
    )
    lines = [f"# {title}", head.strip(), origin]
    for is_text, each in found:
        lines.append(each if is_text else f"```python\n{each.strip()}\n```")
        if not is_text and (output := next(left, "")):
            lines.append(f"```text\n{output.rstrip()}\n```")
    return "\n\n".join(lines) + "\n"


def run(name: str, *options: str) -> list[str]:
    """Run a tutorial in this process, and return what each part of its code printed."""
    path = EXAMPLES / f"{name}.py"
    _, found = parts(path.read_text(encoding="utf-8"))
    names, printed = {"__name__": "__main__"}, []
    before, sys.argv = sys.argv, [str(path), *options]
    try:
        for code in (each for is_text, each in found if not is_text):
            with redirect_stdout(io.StringIO()) as output:
                exec(compile(code, str(path), "exec"), names)
            printed.append(output.getvalue())
    finally:
        sys.argv = before
    return printed


def main() -> None:
    for name in sys.argv[1:] or TUTORIALS:
        with tempfile.TemporaryDirectory() as output:
            printed = run(name, "--output", output)
            for picture in Path(output).glob(f"{name}*"):
                shutil.copy(picture, DOCS / "images")
        save_text(page(name, printed), DOCS / "tutorials" / f"{name}.md")


if __name__ == "__main__":
    main()
