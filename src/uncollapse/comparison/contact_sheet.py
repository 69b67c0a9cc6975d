"""One picture that explains a comparison to somebody who has never heard of it.

Reference photos on top, a column for each arm, a row for each prompt and seed, a tick or a cross under each
image where a judge has looked, the counts over all images at the foot. Drawn with Pillow; the typeface is the
DejaVu that matplotlib ships, so that the sheet looks the same on every machine.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from ..errors import UncollapseError
from ..metrics import Score, Share, Spread
from ..metrics.scores import Question, first_that_answers
from .arms import AFTER, BEFORE, Arm
from .records import Comparison, Record
from .summary import headline, ways

__all__ = ["contact_sheet"]

TILE, GAP, MARGIN, LABEL_WIDTH = 176, 18, 36, 190
INK, MUTED, LINE = "#1c2128", "#606a76", "#dde2e8"
GOOD, BAD = AFTER, BEFORE
MOST_ROWS = 8  # with several seeds; of more only the first seed is shown
QUESTIONS: tuple[Question, ...] = ("context", "likeness", "quality", "prompt")  # answered at the foot


def contact_sheet(
    comparison: Comparison, reference_images: Sequence[Image.Image] = (), max_prompts: int = 6
) -> Image.Image:
    """Draw the sheet.

    Args:
        comparison: shown with all seeds, or, where that would be more than eight rows, with the first seed of
            each prompt, so that nothing is picked out; the sheet then says so.
        reference_images: photos of the subject; the strip is left out where there are none.
        max_prompts: prompts shown; the counts at the foot are over all prompts and seeds regardless.
    """
    columns = len(comparison.arms)
    width = 2 * MARGIN + LABEL_WIDTH + columns * (TILE + GAP)
    page = _Page(width)
    page.text(headline(comparison), MARGIN, 23, bold=True, wrap=width - 2 * MARGIN)
    page.skip(8)
    page.text(_introduction(comparison), MARGIN, 15, MUTED, wrap=width - 2 * MARGIN)
    page.skip(20)
    if reference_images:
        _reference_strip(page, comparison, reference_images)
    _column_heads(page, comparison)
    for prompt in range(min(max_prompts, len(comparison.prompts))):
        for seed in range(len(comparison.seeds) if _shows_all_seeds(comparison) else 1):
            _row(page, comparison, prompt, seed)
    _feet(page, comparison)
    return page.finished()


class _Page:
    """A white page that grows downward; ``y`` is where the next row starts."""

    def __init__(self, width: int) -> None:
        self.width, self.y = width, MARGIN
        self.image = Image.new("RGB", (width, 600), "white")
        self.draw = ImageDraw.Draw(self.image)

    def skip(self, height: int) -> None:
        self.y += height
        if self.y + 600 > self.image.height:
            taller = Image.new("RGB", (self.width, self.y + 1200), "white")
            taller.paste(self.image)
            self.image, self.draw = taller, ImageDraw.Draw(taller)

    def text(
        self, text: str, x: int, size: int, colour: str = INK, *, bold: bool = False, wrap: int = 10_000
    ) -> None:
        """Write ``text`` at ``x``, wrapped to ``wrap`` pixels, and move below it."""
        for line in _wrapped(text, _font(size, bold), wrap):
            self.draw.text((x, self.y), line, colour, _font(size, bold))
            self.skip(round(size * 1.4))

    def rule(self) -> None:
        self.draw.line((MARGIN, self.y, self.width - MARGIN, self.y), LINE)

    def picture(self, image: Image.Image, x: int, y: int, size: int) -> None:
        """Paste ``image`` enlarged or reduced to ``size``, its corners rounded."""
        square = ImageOps.fit(image.convert("RGB"), (size, size), Image.Resampling.LANCZOS)
        self.image.paste(LINE, (x - 1, y - 1, x + size + 1, y + size + 1), _rounded_mask(size + 2))
        self.image.paste(square, (x, y), _rounded_mask(size))

    def finished(self) -> Image.Image:
        return self.image.crop((0, 0, self.width, self.y + MARGIN))


def _shows_all_seeds(comparison: Comparison) -> bool:
    return len(comparison.prompts) * len(comparison.seeds) <= MOST_ROWS


def _introduction(comparison: Comparison) -> str:
    name, anchor = comparison.concept.placeholder, comparison.concept.anchor
    asked = (
        f"The model was taught one particular {anchor} from a few photos, under the name “{name}”. Every row "
        "asks for it in another scene; images in a row share one random seed"
        f"{'' if _shows_all_seeds(comparison) else f', the first of {len(comparison.seeds)}'}."
    )
    said = []
    for way in ways(comparison):
        said.append(
            "TEA, test-time embedding adjustment, turns the learned name part of the way (α) back toward "
            f"“{anchor}” while drawing"
            if way == "TEA"
            else f"{way} is another way to draw the same"
        )
    return f"{asked} {'; '.join(said)}; nothing is trained again." if said else asked


def _reference_strip(page: _Page, comparison: Comparison, images: Sequence[Image.Image]) -> None:
    size, top = 104, page.y
    page.text(f"“{comparison.concept.placeholder}”", MARGIN, 17, bold=True, wrap=LABEL_WIDTH - GAP)
    page.text("the photos it was learned from", MARGIN, 14, MUTED, wrap=LABEL_WIDTH - GAP)
    room = (page.width - 2 * MARGIN - LABEL_WIDTH) // (size + 10)
    for i, image in enumerate(images[:room]):
        page.picture(image, MARGIN + LABEL_WIDTH + i * (size + 10), top, size)
    page.skip(top + size + 24 - page.y)


def _column_heads(page: _Page, comparison: Comparison) -> None:
    page.rule()
    page.skip(16)
    top, bottoms = page.y, []
    page.text("Asked for", MARGIN, 16, MUTED, bold=True)
    page.text("… is the subject", MARGIN, 13, MUTED)
    for column, arm in enumerate(comparison.arms):
        page.y = top
        title, says = arm.head(comparison.concept)
        page.text(title, _column_x(column), 16, arm.colour, bold=True, wrap=TILE)
        page.text(says, _column_x(column), 13, MUTED, wrap=TILE)
        bottoms.append(page.y)
    page.skip(max(bottoms) + 12 - page.y)


def _row(page: _Page, comparison: Comparison, prompt: int, seed: int) -> None:
    top, seeds = page.y, comparison.seeds
    page.skip(10)
    page.text(comparison.prompts[prompt].template.replace("{}", "…"), MARGIN, 16, wrap=LABEL_WIDTH - GAP)
    if len(seeds) > 1:
        page.text(f"seed {seeds[seed]}", MARGIN, 13, MUTED)
    page.y = top
    for column, arm in enumerate(comparison.arms):
        record = comparison.of(arm.name)[prompt * len(seeds) + seed]
        page.picture(record.image, _column_x(column), top, TILE)
        _badges(page, _shown(comparison, arm), record, _column_x(column), top + TILE + 7)
    judged = any(score.share and score.on_sheet for score in comparison.scores)
    page.skip(TILE + (34 if judged else 0) + 14)


def _badges(page: _Page, scores: Sequence[Score], record: Record, x: int, y: int) -> None:
    for score in scores:
        if not score.share or score.name not in record.scores:
            continue
        mark = _mark(score.good(bool(record.scores[score.name])))
        page.image.paste(mark, (x, y), mark)
        page.draw.text((x + 18, y), score.badge, MUTED, _font(11))
        x += 26 + round(_font(11).getlength(score.badge))


def _shown(comparison: Comparison, arm: Arm) -> list[Score]:
    """The scores that mean something under this arm's pictures."""
    return [
        score
        for score in comparison.scores
        if score.on_sheet
        # the base model was not asked for this individual
        and not (score.share and score.answers == "likeness" and not arm.personalised)
    ]


def _feet(page: _Page, comparison: Comparison) -> None:
    if not comparison.records[0].scores:
        return
    page.rule()
    page.skip(16)
    top = page.y
    prompts, seeds = len(comparison.prompts), len(comparison.seeds)
    page.text(f"All {prompts * seeds} images", MARGIN, 16, bold=True, wrap=LABEL_WIDTH - GAP)
    page.text(f"{prompts} prompts × {seeds} seed{'s' * (seeds > 1)}", MARGIN, 13, MUTED, wrap=LABEL_WIDTH)
    bottoms = [page.y]
    for column, arm in enumerate(comparison.arms):
        page.y = top
        for row, (figure, label) in enumerate(_foot(comparison, arm)):
            page.text(figure, _column_x(column), 21, INK if row else arm.colour, bold=True)
            page.text(label, _column_x(column), 13, MUTED, wrap=TILE)
            page.skip(4)
        bottoms.append(page.y)
    page.skip(max(bottoms) - page.y)


def _foot(comparison: Comparison, arm: Arm) -> list[tuple[str, str]]:
    """For each question its figure and what that is, by the first score there is that answers it."""
    summary = comparison.summary(arm.name)
    quoted = [
        first_that_answers(question, [score for score in comparison.scores if score.on_sheet])
        for question in QUESTIONS
    ]
    shown = _shown(comparison, arm)
    return [
        (_figure(score, summary[score.name]), score.foot)
        for score in quoted
        if score is not None and score in shown and score.name in summary
    ]


def _figure(score: Score, found: Share | Spread) -> str:
    return score.written(found.percent) if isinstance(found, Share) else score.cell(found)


def _column_x(column: int) -> int:
    return MARGIN + LABEL_WIDTH + column * (TILE + GAP)


@cache
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    matplotlib = importlib.util.find_spec("matplotlib")  # found, not imported
    if matplotlib is None or matplotlib.origin is None:
        raise UncollapseError("A contact sheet needs matplotlib's typeface: pip install 'uncollapse[plots]'")
    folder = Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf"
    return ImageFont.truetype(folder / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"), size)


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


@cache
def _mark(kept: bool, size: int = 14, fine: int = 4) -> Image.Image:
    """A round tick or cross, drawn ``fine`` times too large and reduced, for smooth edges."""
    big = size * fine
    mark = Image.new("RGBA", (big, big))
    draw = ImageDraw.Draw(mark)
    draw.ellipse((0, 0, big - 1, big - 1), GOOD if kept else BAD)
    at = [(0.27, 0.53), (0.43, 0.69), (0.73, 0.35)] if kept else [(0.32, 0.32), (0.68, 0.68)]
    for line in [at] if kept else [at, [(x, 1 - y) for x, y in at]]:
        draw.line([(x * big, y * big) for x, y in line], "white", width=big // 8, joint="curve")
    return mark.resize((size, size), Image.Resampling.LANCZOS)


@cache
def _rounded_mask(size: int, radius: int = 8, fine: int = 4) -> Image.Image:
    mask = Image.new("L", (size * fine, size * fine))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size * fine - 1, size * fine - 1), radius * fine, 255)
    return mask.resize((size, size), Image.Resampling.LANCZOS)
