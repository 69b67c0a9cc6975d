"""The nodes: what each takes, and what it does with it.

A concept is said once, by *TEA Concept*, *TEA Concept by Role* or *TEA Preset*, and wired to whatever works
with it. The classes are half of a node: ``entrypoint`` sets each before ComfyUI's own. ``node_id`` and the
names of inputs are what saved workflows hold, so they never change; what people read may.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..adjusters import Adjuster, ByRole
from ..adjustment import ALPHA, BETA
from ..baking import bake
from ..concept import Concept
from ..errors import AdjustmentError, PipelineError, PlaceholderError
from ..learned_embeds import read_all
from ..pipelines.encoded import Encoded
from ..pipelines.prompt_level import warn_if_doubled
from ..reports.table import Table
from ..tuning.preset import read_preset
from ..vocabulary import inspect
from .encoding import base_of, check_finite, encoded, is_learned, level_of, mentioned
from .finished import finished
from .folders import EMBEDDINGS, PRESETS, fingerprint, found, listed, target
from .miniature import concept_names, load
from .reports import adjusted_as, moved, picture, plain, show, warned
from .vocabularies import vocabularies_of_clip

__all__ = ["NODES"]

CATEGORY = "conditioning/TEA"
Concepts = tuple[Concept, ...]


def _io() -> Any:
    from comfy_api.v0_0_2 import io

    return io


def _concept_type() -> Any:
    return _io().Custom("TEA_CONCEPT")


def _names() -> list[Any]:
    """The inputs that say which concept it is."""
    io = _io()
    return [
        io.String.Input(
            "placeholder",
            default="sks dog",
            tooltip="What prompts call it: the LoRA's trigger words with their noun (sks dog), or "
            "embedding:name for an embedding.",
        ),
        io.String.Input("anchor", default="dog", tooltip="What it is, in ordinary words."),
    ]


def _settings(beta: float) -> list[Any]:
    """The inputs that say how it is adjusted, apart from α."""
    io = _io()
    return [
        io.Float.Input(
            "beta",
            default=beta,
            min=0,
            max=10,
            step=0.05,
            tooltip="Length of the adjusted vectors, relative to the anchor's. 0 keeps their own.",
        ),
        io.Combo.Input(
            "anchor_encoder",
            options=["base", "tuned"],
            default="base",
            tooltip="Who encodes the anchor: the text encoder without its LoRAs (or base_clip), or as it is.",
        ),
        _concept_type().Input("previous", optional=True, tooltip="Further concepts of the same prompt."),
    ]


def _alpha(name: str, default: float, tooltip: str) -> Any:
    io = _io()
    slider = io.NumberDisplay.slider
    return io.Float.Input(
        name, default=default, min=0, max=1, step=0.01, display_mode=slider, tooltip=tooltip
    )


class TEAConcept:
    """One concept, and one α for all vectors."""

    @classmethod
    def define_schema(cls) -> Any:
        io = _io()
        return io.Schema(
            node_id="UncollapseConcept",
            display_name="TEA Concept",
            category=CATEGORY,
            description="A LoRA's or embedding's subject that drowns out the rest of the prompt, and how far "
            "to turn it back toward a plain word.",
            inputs=[
                *_names(),
                _alpha("alpha", ALPHA, "How far to turn toward the anchor: 0 not at all, 1 all the way."),
                *_settings(beta=BETA),
                io.Combo.Input(
                    "level",
                    options=["auto", "token", "prompt"],
                    default="auto",
                    tooltip="Where: the learned vectors before the text encoder (embeddings), or what it "
                    "returns (LoRAs). auto tells by the placeholder.",
                ),
            ],
            outputs=[_concept_type().Output(display_name="concept")],
        )

    @classmethod
    def execute(
        cls,
        placeholder: str,
        anchor: str,
        alpha: float,
        beta: float,
        anchor_encoder: str,
        level: str = "auto",
        previous: Concepts = (),
    ) -> Any:
        concept = Concept(
            placeholder, anchor, alpha, beta or None, level=level, anchor_encoder=anchor_encoder
        )
        return _io().NodeOutput(_chained(previous, concept))


class TEAConceptByRole:
    """One concept, and an α for each role that a vector plays."""

    @classmethod
    def define_schema(cls) -> Any:
        return _io().Schema(
            node_id="UncollapseConceptByRole",
            display_name="TEA Concept by Role",
            category=CATEGORY,
            description="The same with three strengths: for the concept's own words, the prompt's other "
            "words, and the rest (start, end, padding, pooled), which carries most of a LoRA's collapse.",
            inputs=[
                *_names(),
                _alpha("alpha_concept", 0.0, "Of the placeholder's own tokens; 0 leaves them as they are."),
                _alpha("alpha_context", 1.0, "Of the other words."),
                _alpha("alpha_rest", 1.0, "Of start, end, padding and pooled vectors."),
                *_settings(beta=1.0),
            ],
            outputs=[_concept_type().Output(display_name="concept")],
        )

    @classmethod
    def execute(
        cls,
        placeholder: str,
        anchor: str,
        alpha_concept: float,
        alpha_context: float,
        alpha_rest: float,
        beta: float,
        anchor_encoder: str,
        previous: Concepts = (),
    ) -> Any:
        alpha = ByRole(alpha_concept, alpha_context, alpha_rest)
        concept = Concept(placeholder, anchor, alpha, beta or None, anchor_encoder=anchor_encoder)
        return _io().NodeOutput(_chained(previous, concept))


class TEAPreset:
    """What ``uncollapse tune`` found, as a concept."""

    @classmethod
    def define_schema(cls) -> Any:
        io = _io()
        return io.Schema(
            node_id="UncollapsePreset",
            display_name="TEA Preset",
            category=CATEGORY,
            description="What `uncollapse tune` measured: its preset.json, in models/uncollapse.",
            inputs=[
                io.Combo.Input("preset", options=listed(PRESETS)),
                _concept_type().Input("previous", optional=True),
            ],
            outputs=[
                _concept_type().Output(display_name="concept"),
                io.String.Output(display_name="report"),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def fingerprint_inputs(cls, preset: str, **_: Any) -> str:
        return fingerprint(PRESETS, preset)

    @classmethod
    def execute(cls, preset: str, previous: Concepts = ()) -> Any:
        read = read_preset(found(PRESETS, preset))
        arm = read.arm
        if arm.text_lora != 1 or arm.denoiser_lora != 1:
            scales = f"strength_clip to {arm.text_lora:g} and strength_model to {arm.denoiser_lora:g} times"
            raise AdjustmentError(
                f"TEA Preset: {preset} turns the LoRA down, which its loader does: set {scales} what they "
                "are, and leave this node out."
            )
        if arm.adjuster is None or arm.call or arm.schedule is not None:
            raise AdjustmentError(
                f"TEA Preset: {preset} is {arm.name}, which changes no conditioning. Leave this node out."
            )
        concept = _adjusting(read.concept, arm.adjuster)
        lines = [
            adjusted_as(concept, concept.level),
            "It was measured with one LoRA or embedding; that this is the same is not checked here.",
        ]
        if concept.negative_encoder == "base":
            lines.append(
                "It wants the negative prompt encoded without the LoRA: by the CLIP of TEA Base CLIP."
            )
        return _reported(cls, lines, _chained(previous, concept))


class TEABaseCLIP:
    """A clip without its LoRAs."""

    @classmethod
    def define_schema(cls) -> Any:
        io = _io()
        return io.Schema(
            node_id="UncollapseBaseCLIP",
            display_name="TEA Base CLIP",
            category=CATEGORY,
            description="The CLIP as it was before LoRAs, merges and hooks, for a negative prompt that holds "
            "nothing of the concept.",
            inputs=[io.Clip.Input("clip")],
            outputs=[io.Clip.Output(display_name="base_clip")],
        )

    @classmethod
    def execute(cls, clip: Any) -> Any:
        return _io().NodeOutput(base_of(_needed(clip)))


def _encoding_inputs() -> list[Any]:
    io = _io()
    return [
        io.Clip.Input("clip", tooltip="With the LoRA loaded."),
        _concept_type().Input("concept"),
        io.String.Input("text", multiline=True, dynamic_prompts=True),
    ]


def _base_input() -> Any:
    return _io().Clip.Input(
        "base_clip",
        optional=True,
        tooltip="The text encoder before training, where it was trained whole and not by a LoRA.",
    )


def _conditioning_outputs() -> list[Any]:
    io = _io()
    return [io.Conditioning.Output(), io.String.Output(display_name="report")]


class TEATextEncode:
    """A prompt, encoded and adjusted."""

    @classmethod
    def define_schema(cls) -> Any:
        io = _io()
        return io.Schema(
            node_id="UncollapseTextEncode",
            display_name="TEA Text Encode",
            category=CATEGORY,
            description="CLIP Text Encode, with the concept turned back so that the rest of the prompt is "
            "heard. Weights and embeddings as in any prompt.",
            inputs=[*_encoding_inputs(), _base_input()],
            outputs=_conditioning_outputs(),
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, clip: Any, concept: Concepts, text: str, base_clip: Any = None) -> Any:
        with warned() as warnings:
            read, movable, lines = _read(_needed(clip), base_clip, concept, text)
            conditioning, told = _adjusted(read, movable)
        return _reported(cls, [*lines, *told, *warnings], conditioning)


class TEASchedule:
    """A prompt, its α changing over the steps."""

    @classmethod
    def define_schema(cls) -> Any:
        io = _io()
        return io.Schema(
            node_id="UncollapseSchedule",
            display_name="TEA Schedule",
            category=CATEGORY,
            description="TEA Text Encode with a strength that changes while the picture is drawn: one "
            "conditioning for each range of the timesteps.",
            inputs=[
                *_encoding_inputs(),
                _alpha("first", 1.0, "The share of every α at the beginning."),
                _alpha("last", 0.0, "The share of every α at the end."),
                io.Int.Input("ranges", default=4, min=2, max=20, tooltip="In how many equal parts."),
                _base_input(),
            ],
            outputs=_conditioning_outputs(),
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        clip: Any,
        concept: Concepts,
        text: str,
        first: float,
        last: float,
        ranges: int,
        base_clip: Any = None,
    ) -> Any:
        scheduled: list[Any] = []
        with warned() as warnings:
            read, movable, lines = _read(_needed(clip), base_clip, concept, text)
            at_once = [each for each in mentioned(concept, text) if each not in movable]
            if at_once:
                raise AdjustmentError(
                    f"TEA Schedule: {at_once[0].placeholder!r} is an embedding, which is adjusted before the "
                    "prompt is encoded, once for all steps. Set its level to prompt, or take TEA Text Encode."
                )
            for i in range(ranges):
                share = first + (last - first) * i / (ranges - 1)
                weaker = [_adjusting(each, each.adjuster.weakened(share)) for each in movable]
                conditioning, told = _adjusted(read, weaker)
                begin, end = i / ranges, (i + 1) / ranges
                within = {"start_percent": begin, "end_percent": end}
                scheduled += [[cond, options | within] for cond, options in conditioning]
                lines += [f"{begin:.0%} to {end:.0%}: α × {share:g}", *told]
        return _reported(cls, [*lines, *warnings], scheduled)


class TEAAdjustConditioning:
    """Two conditionings of whatever made them, the one turned toward the other."""

    @classmethod
    def define_schema(cls) -> Any:
        io = _io()
        return io.Schema(
            node_id="UncollapseAdjustConditioning",
            display_name="TEA Adjust Conditioning",
            category=CATEGORY,
            description="For prompts that another node encodes: the conditioning of the text, and that of "
            "the text with the anchor in the placeholder's place.",
            inputs=[
                io.Conditioning.Input("conditioning"),
                io.Conditioning.Input(
                    "anchor_conditioning",
                    tooltip="Of the text with the anchor for the placeholder, by a CLIP without the LoRA.",
                ),
                *_encoding_inputs(),
            ],
            outputs=_conditioning_outputs(),
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls, conditioning: Any, anchor_conditioning: Any, clip: Any, concept: Concepts, text: str
    ) -> Any:
        there = mentioned(concept, text)
        if not there:
            return _reported(cls, [_absent(concept, text)], conditioning)
        with warned() as warnings:
            read = finished(conditioning, anchor_conditioning, _needed(clip), text, there)
            warn_if_doubled(there, text)
            adjusted, told = _adjusted(read, there)
        lines = [adjusted_as(each, "prompt") for each in there]
        return _reported(cls, [*lines, *told, *warnings], adjusted)


class TEAInspect:
    """What an embedding file holds."""

    @classmethod
    def define_schema(cls) -> Any:
        io = _io()
        return io.Schema(
            node_id="UncollapseInspect",
            display_name="TEA Inspect Embedding",
            category=CATEGORY,
            description="How far an embedding has drifted from the words: norms and nearest words of its "
            "vectors.",
            inputs=[io.Clip.Input("clip"), io.Combo.Input("embedding", options=listed(EMBEDDINGS))],
            outputs=[io.String.Output(display_name="report"), io.Image.Output(display_name="picture")],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, embedding: str, **_: Any) -> str:
        return fingerprint(EMBEDDINGS, embedding)

    @classmethod
    def execute(cls, clip: Any, embedding: str) -> Any:
        embeddings = read_all(found(EMBEDDINGS, embedding))
        inspected = inspect(embeddings, vocabularies_of_clip(_needed(clip)))
        rows: list[list[Any]] = []
        bars = []
        for each, its_rows in zip(embeddings, inspected, strict=True):
            for row in its_rows:
                near = ", ".join(f"{word} {cosine:.2f}" for word, cosine in row.nearest)
                name = f"{row.encoder} {row.row}"
                rows.append([each.placeholder, name, row.norm, row.norm_ratio, row.norm_percentile, near])
                longer = f"norm {row.norm:.2f}, {row.norm_ratio:.1f}× · {near}"
                bars.append((name, (row.norm_percentile or 0) / 100, longer))
        head = ["embedding", "vector", "norm", "× median", "% of words shorter", "nearest words"]
        report = plain(Table(embedding, head, rows))
        drawn = picture(f"{embedding}: how many of the words are shorter, and the nearest words", bars)
        show(report, cls.hidden.unique_id)  # type: ignore[attr-defined]
        return _io().NodeOutput(report, drawn, ui={"text": (report,)})


class TEABake:
    """An adjusted embedding, as a file."""

    @classmethod
    def define_schema(cls) -> Any:
        io = _io()
        return io.Schema(
            node_id="UncollapseBake",
            display_name="TEA Bake Embedding",
            category=CATEGORY,
            description="Write an adjusted copy of an embedding into models/embeddings, for any prompt and "
            "program. `uncollapse unbake` gives the first one back.",
            inputs=[
                io.Clip.Input("clip", tooltip="Of the model that the embedding was trained for."),
                io.Combo.Input("embedding", options=listed(EMBEDDINGS)),
                _concept_type().Input("concept", tooltip="Its anchor, α and β; its placeholder is not used."),
                io.String.Input("name", default="my-cat-tea", tooltip="Of the new file."),
                io.Boolean.Input("overwrite", default=False),
            ],
            outputs=[io.String.Output(display_name="prompt"), io.String.Output(display_name="report")],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, embedding: str, name: str, **_: Any) -> str:
        """The new file counts too: one that was deleted is baked again."""
        return f"{fingerprint(EMBEDDINGS, embedding)} {target(EMBEDDINGS, name).exists()}"

    @classmethod
    def execute(cls, clip: Any, embedding: str, concept: Concepts, name: str, overwrite: bool) -> Any:
        if len(concept) != 1:
            raise AdjustmentError(
                f"TEA Bake: an embedding is one concept, but {len(concept)} are wired to it."
            )
        [one] = concept
        source, output = found(EMBEDDINGS, embedding), target(EMBEDDINGS, name)
        several = len({each for of in read_all(source) for each in of.vectors}) == 1 < len(read_all(source))
        with warned() as warnings:
            rows = bake(
                source,
                output,
                vocabularies_of_clip(_needed(clip)),
                one.anchor,
                one.adjuster,
                overwrite=overwrite,
                stack=several,
            )
        head = ["vector", "norm", "after", "cosine to the anchor", "after"]
        cells = [
            [f"{r.encoder} {r.row}", r.norm_before, r.norm_after, r.cosine_before, r.cosine_after]
            for r in rows
        ]
        lines = [f"{output.name}: {one.adjuster.label}, anchor {one.anchor}", plain(Table("", head, cells))]
        return _reported(cls, [*lines, *warnings], f"embedding:{output.stem}")


def _read(
    clip: Any, base_clip: Any, concepts: Concepts, text: str
) -> tuple[Encoded, list[Concept], list[str]]:
    """The text encoded; the concepts whose vectors are still to be moved; what was done, in lines."""
    there = mentioned(concepts, text)
    for each in there:
        if "embedding:" in each.placeholder and not is_learned(clip, each.placeholder):
            raise PlaceholderError(
                f"TEA: {each.placeholder!r} is no embedding that this CLIP can read. Put its file into "
                "models/embeddings, for this model, and press R."
            )
    levels = {each.placeholder: level_of(clip, each) for each in there}
    asked = {each.anchor_encoder for each in there if levels[each.placeholder] == "prompt"}
    if len(asked) > 1:
        raise AdjustmentError("TEA: concepts of one prompt have one anchor_encoder. Set both to the same.")
    if asked == {"tuned"} and base_clip is not None:
        raise AdjustmentError(
            "TEA: base_clip is wired, but anchor_encoder is tuned, so it would not be used. Unwire one."
        )
    base = clip if asked == {"tuned"} else base_of(clip) if base_clip is None else base_clip
    read = encoded(clip, base, text, there)
    check_finite(read.result, "what the text encoder returns")
    movable = [each for each in there if levels[each.placeholder] == "prompt"]
    warn_if_doubled(movable, text)
    lines = [adjusted_as(each, levels[each.placeholder]) for each in there] or [_absent(concepts, text)]
    return read, movable, lines


def _adjusted(read: Encoded, concepts: Sequence[Concept]) -> tuple[Any, list[str]]:
    """The conditioning as it is to be, and how its vectors have moved."""
    if not concepts:
        return read.result, []
    conditioning = read.adjusted(concepts)
    check_finite(conditioning, "the adjusted conditioning")
    return conditioning, moved(read, conditioning)


def _absent(concepts: Concepts, text: str) -> str:
    wanted = " or ".join(each.placeholder for each in concepts)
    brackets = [each.placeholder for each in concepts if each.placeholder.startswith("<")]
    hint = " An embedding's file is called embedding:name here." if brackets else ""
    return f"⚠ Nothing is adjusted: the text does not mention {wanted}.{hint}"


def _chained(previous: Concepts, concept: Concept) -> Concepts:
    if any(each.placeholder == concept.placeholder for each in previous):
        raise PlaceholderError(
            f"TEA: two concepts are called {concept.placeholder!r}. Give each a name of its own."
        )
    return (*previous, concept)


def _adjusting(concept: Concept, adjuster: Adjuster) -> Concept:
    return replace(concept, adjuster=adjuster)


def _needed(clip: Any) -> Any:
    if clip is None:
        raise PipelineError(
            "TEA: the CLIP is missing: the checkpoint has no text encoder. Wire a CLIP loader."
        )
    return clip


def _reported(node: Any, lines: Sequence[str], result: Any) -> Any:
    """A node's result and its report, which is also shown on it."""
    report = "\n".join(lines)
    show(report, node.hidden.unique_id)
    return _io().NodeOutput(result, report, ui={"text": (report,)})


class TEAMiniature:
    """The bundled model, to try the others with."""

    @classmethod
    def define_schema(cls) -> Any:
        io = _io()
        return io.Schema(
            node_id="UncollapseMiniature",
            display_name="TEA Miniature",
            category=CATEGORY,
            description="A small text-to-image model of a toy world, bundled with uncollapse, and a LoRA of "
            "one individual in it (sks dog). Latents of 128 × 128, scheduler sgm_uniform, 20 steps, CFG 4.",
            inputs=[
                io.Combo.Input("concept", options=concept_names()),
                io.Float.Input("strength_model", default=1, min=0, max=2, step=0.05),
                io.Float.Input("strength_clip", default=1, min=0, max=2, step=0.05),
            ],
            outputs=[io.Model.Output(), io.Clip.Output(), io.Vae.Output()],
        )

    @classmethod
    def execute(cls, concept: str, strength_model: float, strength_clip: float) -> Any:
        return _io().NodeOutput(*load(concept, strength_model, strength_clip))


NODES: tuple[type, ...] = (
    TEAConcept,
    TEAConceptByRole,
    TEAPreset,
    TEABaseCLIP,
    TEATextEncode,
    TEASchedule,
    TEAAdjustConditioning,
    TEAInspect,
    TEABake,
    TEAMiniature,
)
