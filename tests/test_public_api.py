"""What the packages show, and what importing them costs."""

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys

import pytest

import uncollapse
from toys.docs import ROOT

PUBLIC = [
    "Adjustment",
    "AdjustmentError",
    "AnchorError",
    "ByRole",
    "Concept",
    "EmbeddingError",
    "FileFormatError",
    "ForeignFileError",
    "Handle",
    "OutputError",
    "PipelineError",
    "PlaceholderError",
    "TrainingError",
    "UncollapseError",
    "UncollapseWarning",
    "adjust",
    "angle",
    "apply",
    "learned_embeds",
    "norm",
    "remove",
    "rivals",
    "slerp",
]
HEAVY = [
    "diffusers",
    "transformers",
    "peft",
    "accelerate",
    "matplotlib",
    "PIL",
    "scipy",
    "jaxtyping",
    "typer",
]
DRAWS = {"uncollapse.miniature", "uncollapse.miniature.world"}  # their pictures need Pillow
FOUND = list(pkgutil.walk_packages(uncollapse.__path__, "uncollapse."))
PACKAGES = ["uncollapse", *(each.name for each in FOUND if each.ispkg)]
FLAT = [each.name for each in FOUND if each.name.count(".") == 1 and each.name != "uncollapse.__main__"]
LEANS = re.compile(
    r"\b(the same as|same as|as it grows|see above|arguments as|as for ``|as those of ``|as in this file)",
    re.IGNORECASE,
)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_public_names_are_these_and_sorted():
    assert uncollapse.__all__ == PUBLIC == sorted(PUBLIC)
    for name in PUBLIC:
        assert getattr(uncollapse, name).__doc__


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_what_may_be_imported(package):
    """Constants first, then classes, then functions, each by the alphabet, as ruff sorts them."""
    module = importlib.import_module(package)
    kinds = [(not name.isupper(), not name[0].isupper(), name) for name in module.__all__]
    assert kinds
    assert kinds == sorted(kinds)
    for name in module.__all__:
        assert hasattr(module, name), name


@pytest.mark.parametrize("module", sorted({*PACKAGES, *FLAT}))
def test_what_is_public_is_explained_where_it_stands(module):
    for name, text in explained(importlib.import_module(module)):
        assert text, f"{name} has no docstring"
        assert not text.startswith(f"{name}("), f"{name} has no docstring but its signature"
        assert not LEANS.search(text), f"{name} leans on another docstring"


def explained(module):
    """(name, docstring) of the public functions and classes, and of the methods that they define."""
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            yield name, value.__doc__
        if inspect.isclass(value) and value.__module__.startswith("uncollapse"):
            for own, method in vars(value).items():
                if inspect.isfunction(method) and method.__name__ == own and not own.startswith("_"):
                    yield f"{name}.{own}", inspect.getdoc(getattr(value, own))


def imports(source):
    """(module, name) of each name of ours that a source imports; the name is None for a whole module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "uncollapse":
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((a.name, None) for a in node.names if a.name.split(".")[0] == "uncollapse")


def test_docs_and_examples_import_what_packages_show():
    sources = {path: PYTHON.findall(path.read_text(encoding="utf-8")) for path in PAGES}
    sources |= {path: [path.read_text(encoding="utf-8")] for path in (ROOT / "examples").glob("*.py")}
    found = [
        (path.name, *each) for path, texts in sources.items() for text in texts for each in imports(text)
    ]
    assert len(found) > 20
    for page, module, name in found:
        assert module in {*PACKAGES, *FLAT}, f"{page} imports from {module}, which is inside a package"
        shown = importlib.import_module(module).__all__
        assert name is None or name in shown, f"{page} imports {name}, which {module} does not show"


def test_importing_them_loads_torch_and_nothing_heavier():
    assert loaded_by(*sorted({*PACKAGES, *FLAT} - DRAWS)) == []


def test_importing_the_world_loads_pillow_and_nothing_heavier():
    assert loaded_by(*sorted(DRAWS)) == ["PIL"]


def loaded_by(*modules):
    code = f"import sys, {', '.join(modules)}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ast.literal_eval(done.stdout)
