"""One version number: the newest section of the changelog is the package's, and nothing else states one."""

import re
import tomllib

import uncollapse
from toys.docs import ROOT


def test_the_newest_section_is_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest, *_ = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert newest == uncollapse.__version__


def test_the_package_alone_states_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in project["project"]
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "src/uncollapse/__init__.py"
