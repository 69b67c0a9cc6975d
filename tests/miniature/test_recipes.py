"""The recipes: settings for every concept, and photographs to train from."""

import numpy as np
import pytest
from PIL import Image

from uncollapse.miniature import MINIATURES
from uncollapse.miniature.recipes import RECIPES, save_photos

CONCEPTS = MINIATURES["unet"].concepts


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_recipe_is_settings_for_every_concept(recipe):
    for concept in CONCEPTS.values():
        settings = recipe.settings(concept, seed=3)
        assert (settings.class_word, settings.seed) == (concept.anchor, 3)
        assert len(settings.checkpoint_steps) == 9
        assert (settings.checkpoint_steps[0], settings.checkpoint_steps[-1]) == (0, settings.steps)


def test_a_shortened_recipe_keeps_its_first_and_last_step():
    settings = RECIPES["dreambooth"].settings(CONCEPTS["cat"], steps=2)
    assert settings.checkpoint_steps == (0, 1, 2)


def test_the_photos_are_the_reference_images(tmp_path):
    concept = CONCEPTS["car"]
    files = sorted(save_photos(concept, tmp_path / "photos").iterdir())
    pictures = concept.reference_images()
    assert len(files) == len(pictures)
    for file, picture in zip(files, pictures, strict=True):
        assert np.array_equal(np.asarray(Image.open(file)), np.asarray(picture))
