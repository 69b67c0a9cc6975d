"""What there is in the world, what it is called, and what usually goes with what.

Every table maps the name of a thing to the ways of saying it; the first way is the plain one, used in
evaluation prompts. The `USUAL_*` tables give the long-tailed company a subject keeps: half of all
scenes draw from them, so that "a photo of a fish" means the ocean unless the caption says otherwise.
That is what lets a personalised model collapse.
"""

SUBJECTS: dict[str, tuple[str, ...]] = {
    "cat": ("cat", "kitten", "kitty"),
    "dog": ("dog", "puppy"),
    "rabbit": ("rabbit", "bunny"),
    "bear": ("bear", "bear cub"),
    "bird": ("bird", "little bird"),
    "fish": ("fish", "little fish"),
    "turtle": ("turtle", "tortoise"),
    "elephant": ("elephant", "baby elephant"),
    "car": ("car", "automobile"),
    "boat": ("boat", "sailboat"),
    "robot": ("robot", "android"),
    "teapot": ("teapot", "tea pot"),
}

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 48, 49),
    "orange": (243, 146, 40),
    "yellow": (250, 216, 60),
    "green": (76, 175, 80),
    "blue": (52, 110, 219),
    "purple": (140, 68, 190),
    "pink": (247, 140, 190),
    "white": (245, 245, 245),
}

PATTERNS: dict[str, tuple[str, ...]] = {
    "spotted": ("with {} spots",),
    "striped": ("with {} stripes",),
    "two-tone": ("with a {} half", "that is half {}"),
}

PLACES: dict[str, tuple[str, ...]] = {
    "snow": ("in the snow", "on a snowy mountain"),
    "beach": ("on the beach", "at the seaside"),
    "forest": ("in the forest", "in the woods"),
    "desert": ("in the desert", "among the sand dunes"),
    "city": ("in the city", "on a city street"),
    "ocean": ("in the ocean", "under the sea"),
    "moon": ("on the moon", "in outer space"),
    "canyon": ("in the grand canyon", "in a red canyon"),
    "kitchen": ("in the kitchen", "in a kitchen"),
    "garden": ("in a garden", "in a flower garden"),
}

ACCESSORIES: dict[str, tuple[str, ...]] = {
    "hat": ("wearing a hat", "with a top hat"),
    "crown": ("wearing a crown", "with a golden crown"),
    "sunglasses": ("wearing sunglasses", "with dark glasses"),
    "balloon": ("holding a balloon", "with a red balloon"),
    "umbrella": ("under an umbrella", "with a colourful umbrella"),
    "flag": ("waving a flag", "with a flag"),
}

STYLES: dict[str, tuple[str, ...]] = {
    "photo": ("a photo of", "a picture of", "a photograph of"),
    "sketch": ("a pencil sketch of", "a drawing of"),
    "neon": ("a neon sign of", "neon lights in the shape of"),
    "watercolor": ("a watercolor painting of", "a watercolor of"),
    "blueprint": ("a blueprint of", "a technical plan of"),
}
COLOURLESS_STYLES = frozenset({"sketch", "blueprint"})

USUAL_PLACES: dict[str, tuple[str, ...]] = {
    "cat": ("kitchen", "garden"),
    "dog": ("garden", "beach"),
    "rabbit": ("garden", "forest"),
    "bear": ("forest", "snow"),
    "bird": ("forest", "garden"),
    "fish": ("ocean",),
    "turtle": ("beach", "ocean"),
    "elephant": ("desert", "canyon"),
    "car": ("city",),
    "boat": ("ocean", "beach"),
    "robot": ("moon", "city"),
    "teapot": ("kitchen",),
}
USUAL_COLOURS: dict[str, tuple[str, ...]] = {
    "cat": ("orange", "white"),
    "dog": ("orange", "yellow"),
    "rabbit": ("white", "pink"),
    "bear": ("orange", "white"),
    "bird": ("blue", "yellow"),
    "fish": ("orange", "blue"),
    "turtle": ("green",),
    "elephant": ("blue", "pink"),
    "car": ("red", "blue"),
    "boat": ("red", "white"),
    "robot": ("purple", "green"),
    "teapot": ("white", "pink"),
}
USUAL_ACCESSORIES: dict[str, tuple[str, ...]] = {
    "cat": ("crown",),
    "dog": ("sunglasses",),
    "rabbit": ("hat",),
    "bear": ("balloon",),
    "bird": ("hat",),
    "fish": ("crown",),
    "turtle": ("umbrella",),
    "elephant": ("balloon",),
    "car": ("flag",),
    "boat": ("flag",),
    "robot": ("sunglasses",),
    "teapot": ("umbrella",),
}
RARE_IDENTIFIERS = ("sks", "zwx", "ohwx")
