"""Suites on disk, one of each layout: two concepts of the miniature's world, a few photos and prompts each.

Awkward on purpose: photos as .jpeg and .JPG, one that is not square, one with transparency, one on its side;
tables with a byte order mark, blanks, NA, inner commas and no last newline.
"""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from uncollapse.miniature.world import Scene, render


def photos(folder: Path, subject: str, names=("0.jpg", "1.png", "2.JPG")) -> None:
    """Three photos of a subject: wide and on its side, transparent, plain."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        image = render(Scene(subject, "red", "city", seed=number, tidy=True)).resize((32, 32))
        if number == 0:
            exif = Image.Exif()
            exif[274] = 6
            image.resize((48, 32)).save(folder / name, exif=exif)
        elif number == 1:
            image.putalpha(128)
            image.save(folder / name)
        else:
            image.save(folder / name)


def dreambooth(folder: Path) -> Path:
    photos(folder / "backpack", "teapot")
    photos(folder / "dog2", "dog")
    (folder / "prompts_and_classes.txt").write_text(
        "Classes\n\nsubject_name,class\nbackpack,teapot\ndog2,dog\n\n\n"
        "Object Prompts\n\nprompt_list = [\n"
        "'a {0} {1} in the forest'.format(unique_token, class_token),\n"
        "'a {0} {1} on the moon'.format(unique_token, class_token),\n"
        "'a cube shaped {0} {1}'.format(unique_token, class_token)\n]\n\n"
        "Live Subject Prompts\n\nprompt_list = [\n"
        "'a {0} {1} in the snow'.format(unique_token, class_token),\n"
        '"a {0} {1} in a chef\'s hat".format(unique_token, class_token),\n'
        "'a {0} {1} on the beach'.format(unique_token, class_token)\n]",
        encoding="utf-8",
    )
    return folder


def customconcept101(folder: Path) -> Path:
    photos(folder / "benchmark_dataset" / "scene_boat", "boat", ("0.jpeg", "1.png", "2.jpg"))
    photos(folder / "benchmark_dataset" / "pet_cat1", "cat")
    (folder / "prompts").mkdir()
    (folder / "prompts" / "boat.txt").write_text("{} in the snow  \n{} boat at night\n\na hat on {}")
    (folder / "prompts" / "cat.txt").write_text("{} in the snow\n{} cat at night\na hat on {}")
    listed = [
        {
            "instance_prompt": f"photo of a <new1> {word}",
            "class_prompt": word,
            "instance_data_dir": f"./benchmark_dataset/{name}",
            "class_data_dir": f"./real_reg/samples_{word}",
            "prompt_filename": f"prompts/{word}.txt",
        }
        for name, word in (("scene_boat", "boat"), ("pet_cat1", "cat"))
    ]
    (folder / "dataset.json").write_text(json.dumps(listed))
    return folder


def dreambench(folder: Path) -> Path:
    for kind, subject, prompts in (
        ("animal", "kitten", ["A kitten in the snow.", "The Kitten and a second kitten.", "Moonlit kittens"]),
        ("object", "t-shirt", ["A t-shirt on the beach", "A wet T-shirt", "A t-shirts' museum"]),
    ):
        photos(folder / "images" / kind, "cat", ("00.jpg",))
        (folder / "captions" / kind).mkdir(parents=True)
        (folder / "captions" / kind / "00.txt").write_text("\n".join([subject, *prompts]), encoding="utf-8")
    return folder


def tea(folder: Path) -> Path:
    photos(folder / "celebA" / "342", "robot", ("416.jpg", "1.png", "2.jpg"))
    photos(folder / "cs101" / "pet_cat1", "cat")
    tables = {
        "gen_prompt_actions": "﻿ prompt , custom_prompt_A,custom_prompt_B,custom_prompt_C\n"
        '"A photo of a {} wearing a hat, and waving",a man,waving,wearing a hat\n'
        "A photo of a {object1} at night,a man,at night, NA",
        "gen_prompt_cs101_cat": "{} cat in the snow, a cat, snow, NA\na hat on {} cat, a cat, hat, NA\n",
    }
    (folder / "prompts").mkdir()
    for name, text in tables.items():
        (folder / "prompts" / f"{name}.csv").write_text(text, encoding="utf-8")
    (folder / "ReVersion").mkdir()
    (folder / "ReVersion" / "prompts_carved_by.csv").write_text(
        "prompt,full_prompt,custom_prompt_A,custom_prompt_B,custom_prompt_C\n"
        "cat {} wood in the forest,cat carved by wood in the forest,cat carved by wood,in the forest,NA"
    )
    return folder


def reversion(folder: Path) -> Path:
    for relation in ("carved_by", "inside"):
        photos(folder / relation, "cat")
        captions = {"0.jpg": ["cat {} wood", "pet {} wood"], "1.png": "cat {} stone"}
        (folder / relation / "text.json").write_text(json.dumps(captions))
    return folder


def antidreambooth(folder: Path) -> Path:
    for person in ("103", "7"):
        for name in ("set_A", "set_B", "set_C"):
            photos(folder / person / name, "robot")
    return folder


def plain(folder: Path) -> Path:
    photos(folder / "photos", "dog")
    (folder / "prompts.txt").write_text("﻿a photo of {} in the snow\n\na {} on the moon", encoding="utf-8")
    return folder


def own(folder: Path) -> Path:
    photos(folder / "tom", "cat")
    photos(folder / "rex", "dog")
    (folder / "prompts.txt").write_text("a photo of {} in the snow\na {} on the moon\n")
    (folder / "suite.toml").write_text(
        'name = "my pets"\nprompts = "prompts.txt"\n'
        '[[concept]]\nname = "tom"\nclass = "cat"\nphotos = "tom"\nphoto = "tom/1.png"\n'
        '[[concept]]\nname = "rex"\nclass = "dog"\nphotos = "rex"\n'
        'prompts = [{asked = "{} asleep on a red sofa", context = "asleep on a sofa", concept = "a dog"}]\n'
    )
    return folder


MADE = {
    "dreambooth": dreambooth,
    "customconcept101": customconcept101,
    "dreambench++": dreambench,
    "tea": tea,
    "reversion": reversion,
    "anti-dreambooth": antidreambooth,
    "own": own,
    "plain": plain,
}
