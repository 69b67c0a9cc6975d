"""Every layout, read from files of the miniature's world, with what is awkward in the published ones."""

import json

import pytest

from toys import suites as toys
from uncollapse.errors import FileFormatError
from uncollapse.evaluation import suites
from uncollapse.evaluation.suites import LAYOUTS, SuitePrompt, bundled_suite


@pytest.fixture
def made(tmp_path):
    """The suite of a layout, and its folder."""

    def make(name):
        folder = tmp_path / "my-dog"
        folder.mkdir()
        return suites.load(toys.MADE[name](folder)), folder

    return make


def concept(suite, name):
    [found] = [each for each in suite.concepts if each.name == name]
    return found


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_layout_is_recognised_by_its_marker_and_makes_a_suite(made, name):
    suite, folder = made(name)
    assert suites.load(folder, name) == suite
    for each in suite.concepts:
        assert each.prompts
        for prompt in each.prompts:
            assert prompt.full
            assert "{" not in prompt.full + prompt.context + prompt.concept


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_path_that_is_not_there_is_answered_with_where_it_is_published(tmp_path, name):
    with pytest.raises(FileFormatError, match="There is nothing at") as error:
        suites.load(tmp_path / "nowhere", name)
    assert LAYOUTS[name].published in str(error.value)
    assert LAYOUTS[name].tree in str(error.value)


def test_without_a_name_the_layouts_are_named(tmp_path):
    with pytest.raises(FileFormatError, match="Say which suite it is with suite"):
        suites.load(tmp_path / "nowhere")
    with pytest.raises(FileFormatError, match="laid out as none of the suites"):
        suites.load(tmp_path)
    with pytest.raises(FileFormatError, match="There is no suite 'dreambooths'"):
        suites.load(tmp_path, "dreambooths")
    with pytest.raises(FileFormatError, match="is not laid out as tea"):
        suites.load(tmp_path, "tea")
    toys.own(toys.plain(tmp_path))
    with pytest.raises(FileFormatError, match="is laid out as own and plain"):
        suites.load(tmp_path)


def test_dreambooth_gives_live_subjects_their_own_prompts(made):
    suite, _ = made("dreambooth")
    backpack, dog = concept(suite, "backpack"), concept(suite, "dog2")
    assert [each.asked for each in dog.prompts] == [
        "a {} in the snow",
        "a {} in a chef's hat",
        "a {} on the beach",
    ]
    first = backpack.prompts[0]
    assert first == SuitePrompt(
        "a {} in the forest", "in the forest", "teapot", "a teapot in the forest", "a {0} {1} in the forest"
    )
    assert len(dog.photos) == 3
    assert suite.notes


def test_customconcept101_reads_its_last_line_and_takes_the_noun_into_the_gap(made):
    suite, _ = made("customconcept101")
    asked = [each.asked for each in concept(suite, "scene_boat").prompts]
    assert asked == ["{} in the snow", "{} at night", "a hat on {}"]
    assert concept(suite, "scene_boat").prompts[1].full == "boat at night"


def test_customconcept101_names_a_folder_that_is_not_there(tmp_path):
    folder = toys.customconcept101(tmp_path)
    listed = json.loads((folder / "dataset.json").read_text())
    listed[0]["instance_data_dir"] = "./benchmark_dataset/actor_nobody"
    (folder / "dataset.json").write_text(json.dumps(listed))
    with pytest.raises(FileFormatError, match="actor_nobody"):
        suites.load(folder)


def test_dreambench_has_one_photo_and_names_concepts_as_its_authors_do(made):
    suite, _ = made("dreambench++")
    assert [each.name for each in suite.concepts] == ["live_subject_animal_00_kitten", "object_00_t-shirt"]
    shirt = suite.concepts[1]
    assert [each.asked for each in shirt.prompts[:2]] == ["A {} on the beach", "A wet {}"]
    assert shirt.prompts[2].asked == "A t-shirts' museum"
    assert suite.concepts[0].prompts[1].full == "The Kitten and a second kitten."
    assert suite.notes[0] == "2 prompts do not name their subject: they can be scored, not drawn."


def test_tea_reads_every_kind_of_its_tables(made):
    suite, folder = made("tea")
    person, cat, relation = (concept(suite, name) for name in ("342", "pet_cat1", "carved_by"))
    assert person.prompts[0] == SuitePrompt(
        "A photo of a {} wearing a hat, and waving",
        "waving, wearing a hat",
        "a man",
        "A photo of a man wearing a hat, and waving",
    )
    assert person.prompts[1].asked == "A photo of a {} at night"
    assert person.prompts[1].context == "at night"
    assert person.one_photo.name == "416.jpg"
    assert cat.prompts[0] == SuitePrompt(
        "{} in the snow", "snow", "a cat", "cat in the snow", "{} cat in the snow"
    )
    assert cat.class_word == "cat"
    assert relation.photos == ()
    assert relation.prompts[0].full == "cat carved by wood in the forest"
    assert relation.prompts[0].concept == "cat carved by wood"
    assert [each.name for each in suites.load(folder / "ReVersion").concepts] == ["carved_by"]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("prompt,custom_prompt_A\n{} in the sea, a cat, far, away", "row 1: 4 values for 2 columns"),
        ("prompt,custom_prompt_A\n", "has no prompts"),
        ("{} in the sea", "does not say what it is about"),
        ("{object1} and {object2}, a cat, a dog, NA", "is about two subjects"),
    ],
)
def test_a_table_that_is_none_is_named(tmp_path, table, says):
    folder = toys.tea(tmp_path)
    (folder / "prompts" / "gen_prompt_cs101_cat.csv").write_text(table)
    with pytest.raises(FileFormatError, match=says):
        suites.load(folder)


def test_reversion_asks_its_scenarios_and_runs_nothing(tmp_path):
    folder = toys.reversion(tmp_path)
    assert [each.asked for each in suites.load(folder).concepts[0].prompts] == [
        "cat {} wood",
        "pet {} wood",
        "cat {} stone",
    ]
    (folder / "relations.py").write_text(
        'raise SystemExit\nimport os\nscenarios = {"carved_by": ["dog {} jade"], "inside": ["dog {} cup"]}\n'
    )
    suite = suites.load(folder)
    assert [each.prompts[0].full for each in suite.concepts] == ["dog carved by jade", "dog inside cup"]


def test_a_suite_of_ones_own_says_what_it_likes(made):
    suite, folder = made("own")
    tom, rex = concept(suite, "tom"), concept(suite, "rex")
    assert suite.name == "my pets"
    assert len(tom.prompts) == 2
    assert tom.one_photo.name == "1.png"
    assert rex.prompts[0] == SuitePrompt(
        "{} asleep on a red sofa", "asleep on a sofa", "a dog", "dog asleep on a red sofa"
    )
    assert suites.load(folder / "suite.toml") == suite


@pytest.mark.parametrize(
    ("replaced", "by", "says"),
    [
        ('"rex"\nclass', '"tom"\nclass', "two concepts called 'tom'"),
        ('class = "cat"', 'clas = "cat"', "says 'clas', which is none of class"),
        ("{} asleep", "asleep", "has to have one gap"),
        ('"tom/1.png"', '"tom/9.png"', "no photo at"),
        ('photos = "rex"', 'photos = "max"', "There is no folder"),
        ('prompts = "prompts.txt"', 'prompts = ""', "my pets|cannot be read"),
    ],
)
def test_what_is_wrong_with_it_is_said(tmp_path, replaced, by, says):
    folder = toys.own(tmp_path)
    text = (folder / "suite.toml").read_text()
    assert replaced in text
    (folder / "suite.toml").write_text(text.replace(replaced, by, 1))
    with pytest.raises(FileFormatError, match=says):
        suites.load(folder)


def test_an_empty_list_of_prompts_is_refused(tmp_path):
    folder = toys.plain(tmp_path / "my-dog")
    (folder / "prompts.txt").write_text("\n \n")
    with pytest.raises(FileFormatError, match="'my-dog' has no prompts"):
        suites.load(folder)


def test_the_bundled_suite_is_the_miniatures_concepts_and_prompts():
    suite = bundled_suite()
    assert [each.name for each in suite.concepts] == ["dog", "cat", "robot", "car", "turtle", "teapot"]
    assert all(len(each.photos) == 5 and len(each.prompts) == 8 for each in suite.concepts)
    assert suite.concepts[0].prompts[0].context == "in the snow"


def test_a_suite_is_halved_by_names_alone(made):
    suite = bundled_suite()
    halves = [[each.name for each in suite.split(which).concepts] for which in ("dev", "test")]
    assert sorted(halves[0] + halves[1]) == sorted(each.name for each in suite.concepts)
    assert suite.of(["cat"]).concepts == (concept(suite, "cat"),)
    with pytest.raises(FileFormatError, match="has no concept 'cow', only dog"):
        suite.of(["cow"])
