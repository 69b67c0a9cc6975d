"""What `make docs` adds to the pages of this folder, which read by themselves wherever a repository is shown.

The reference, the changelog, and under ``repository/`` each file outside of this folder that a page links to;
one that is not there ends the build. And it has the reference's builder read docstrings in the house's style.
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
OUTWARD = re.compile(r"(?<=\]\()(?:\.\./)+[^)#\s]+")

sys.path.append(str(Path(__file__).parent))
import reference  # noqa: E402
from docstrings import for_google  # noqa: E402


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The reference comes last in the navigation."""
    pages = [{title: reference.path(title)} for title in (*reference.GROUPS, reference.REST)]
    config.nav = [*(config.nav or []), {"Reference": pages}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages and files that are not in this folder."""
    for title, text in reference.pages().items():
        files.append(File.generated(config, reference.path(title), content=text))
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "changelog.md", content=changes))
    for page in list(files.documentation_pages()):
        for link in OUTWARD.findall(page.content_string):
            inside = _inside(page.src_uri, link)
            if inside and f"repository/{inside}" not in files.src_uris:
                source = str(ROOT / inside)
                files.append(File.generated(config, f"repository/{inside}", abs_src_path=source))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links out of this folder lead to the copies."""
    source = page.file.src_uri

    def link(found: re.Match[str]) -> str:
        inside = _inside(source, found[0])
        return posixpath.relpath(f"repository/{inside}", posixpath.dirname(source)) if inside else found[0]

    return OUTWARD.sub(link, markdown)


class HouseStyle(griffe.Extension):
    """Rewrites each docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = for_google(obj.docstring.value)


def _inside(page: str, link: str) -> str | None:
    """Where a link of a page leads to in the repository; None where it stays in this folder."""
    target = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link))
    if target.startswith("docs/"):
        return None
    if target.startswith("..") or not (ROOT / target).is_file():
        raise PluginError(f"docs/{page} links to {link}, but there is no such file in the repository.")
    return target
