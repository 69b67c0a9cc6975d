"""Pictures that others drew, by whatever name; what belongs to nothing, and what is missing, is counted."""

import json

import pytest

from toys.pictures import picture
from uncollapse.errors import FileFormatError
from uncollapse.evaluation import Base, Run, pictures_of, plan, published_cells


@pytest.fixture
def suite(make_plan):
    """Two concepts: tom with "a photo of {} in the snow" and "a {} on the moon", rex asleep."""
    return make_plan().suite


def put(folder, *names):
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture((number, 0, 0)).save(folder / name)
    return folder


NAMES = {
    "numbers": ("tom/0_0.png", "tom/1_0.png", "tom/1_3.png", "rex/00_0.jpg"),
    "words": (
        "tom/a_photo_of_cat_in_the_snow_0.png",
        "tom/a cat on the moon_0.png",
        "tom/a_cat_on_the_moon._3.png",
        "rex/dog asleep on a red sofa_0.png",
    ),
    "in an experiment's folder": (
        "db_lora_tom/2000/sks cat/0_0.png",
        "db_lora_tom/2000/sks cat/1_0.png",
        "db_lora_tom/2000/sks cat/1_3.png",
        "tgt_image/rex/0_0.jpg",
    ),
}


@pytest.mark.parametrize("names", NAMES.values(), ids=list(NAMES))
def test_pictures_are_found_by_concept_prompt_and_seed(tmp_path, suite, names):
    found = pictures_of(put(tmp_path, *names, "tom/7_0.png", "max/0_0.png"), suite, "theirs")
    assert set(found.method.found) == {("tom", 0, 0), ("tom", 1, 0), ("tom", 1, 3), ("rex", 0, 0)}
    assert found.seeds == (0, 3)
    assert [path.name for path in found.left] == ["0_0.png", "7_0.png"]


def test_customconcept101s_list_says_what_each_shows(tmp_path, suite):
    put(tmp_path, "tom/samples/00000.png", "tom/samples/00001.png", "tom/samples/00002.png")
    asked = [
        "a photo of <new1> cat in the snow",
        "a <new1> cat on the moon",
        "a photo of <new1> cat in the snow",
    ]
    (tmp_path / "tom" / "prompts.json").write_text(
        json.dumps({f"{i:05}": text for i, text in enumerate(asked)})
    )
    found = pictures_of(tmp_path, suite, "CD").method.found
    assert {key: path.name for key, path in found.items()} == {
        ("tom", 0, 0): "00000.png",
        ("tom", 1, 0): "00001.png",
        ("tom", 0, 1): "00002.png",
    }
    (tmp_path / "tom" / "prompts.json").write_text("[]")
    with pytest.raises(FileFormatError, match=r"does not say what .00000.png. shows"):
        pictures_of(tmp_path, suite, "CD")


def test_arms_of_others_are_a_run_and_what_is_missing_is_a_row(tmp_path, suite):
    put(tmp_path / "before", "tom/0_0.png", "tom/1_0.png", "rex/0_0.png")
    put(tmp_path / "after", "tom/0_0.png", "rex/0_0.png")
    methods = [pictures_of(tmp_path / name, suite, "theirs", name).method for name in ("before", "after")]
    run = Run(tmp_path / "run", plan(suite, Base(), methods, ["personalised"], [0]))
    progress = run.draw()
    assert (progress.pictures, progress.drawn) == (5, 4)  # one picture is both arms'
    assert progress.errors == {"there is no such picture": 1}
    arms = [(row.concept, row.method, row.arm) for row in run.plan.rows]
    assert sorted(set(arms)) == sorted(
        (concept, "theirs", arm) for concept in ("tom", "rex") for arm in ("before", "after")
    )
    again = Run(tmp_path / "run")
    assert again.progress == progress
    put(tmp_path / "after", "tom/1_0.png")
    methods = [pictures_of(tmp_path / name, suite, "theirs", name).method for name in ("before", "after")]
    with pytest.raises(FileFormatError, match="differs in weights"):
        Run(tmp_path / "run", plan(suite, Base(), methods, ["personalised"], [0]))


def test_a_folder_without_pictures_of_the_suite(tmp_path, suite):
    with pytest.raises(FileFormatError, match="holds no pictures of the suite 'my pets'"):
        pictures_of(put(tmp_path, "max/0_0.png"), suite, "theirs")


ADJUSTED = "tea_rho_0.2_alpha_0.5"
HEAD = "prompt_index,prompt,image_index,score\n"
TABLES = {
    "cs101_barn/clip_alignment_scores_barn_cls_gen_prompt_cs101_barn_use_custom_prompt_objectA.csv": (
        "0,a barn,0,11.5\n0,a barn,1,12.5\n"
    ),
    "cs101_barn/clip_alignment_scores_barn_cls_gen_prompt_cs101_barn_use_custom_prompt_objectB.csv": (
        '0,"snow, ice",0,20.0\n0,"snow, ice",1,21.0\n'
    ),
    "cs101_barn/clip_alignment_with_anchor_image_barn_cls_gen_prompt_cs101_barn_t01.csv": (
        "0,{} barn in snow,0,80.5\n0,{} barn in snow,1,81.5\n"
    ),
    f"tea/clip_alignment_scores_barn_cls_{ADJUSTED}_gen_prompt_cs101_barn_use_custom_prompt_objectB.csv": (
        '0,"snow, ice",0,22.0\n'
    ),
    "cs101_barn/dino_alignment_with_anchor_image_barn_cls_gen_prompt_cs101_barn_t01.csv": (
        "0,{} barn in snow,0,0.25\n"
    ),
}


def tables(folder):
    for name, rows in TABLES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(HEAD + rows)
    return folder


def test_published_tables_are_figures(tmp_path):
    cells = published_cells(tables(tmp_path), "ClassDiffusion")
    assert len(cells) == 8
    assert {cell.concept for cell in cells} == {"barn"}
    adjusted = [cell for cell in cells if cell.arm != "personalised"]
    assert [(cell.arm, cell.prompt, cell.seed, cell.value) for cell in adjusted] == [
        ("TEA rho 0.2 alpha 0.5", "{} barn in snow", 0, 22.0)
    ]
    values = {
        (cell.score.split("|")[0], cell.seed): cell.value for cell in cells if cell.arm == "personalised"
    }
    assert values["clip_t_concept", 1] == 12.5
    assert values["clip_t_context", 1] == 21.0
    assert values["clip_i", 1] == 81.5
    assert values["dino_i", 0] == 25.0
    [context] = {cell.score for cell in cells if cell.score.startswith("clip_t_context")}
    assert context == (
        "clip_t_context|openai/clip-vit-large-patch14@published|224bilinear-tensor|projection|100max0cos"
        "|text=context|mean"
    )


def test_tables_that_are_none(tmp_path):
    with pytest.raises(FileFormatError, match="holds no published scores"):
        published_cells(tmp_path, "TI")
    file = tables(tmp_path) / next(iter(TABLES))
    file.write_text(HEAD + "0,a barn,0\n")
    with pytest.raises(FileFormatError, match="row 2 is none of prompt_index"):
        published_cells(tmp_path, "TI")
