"""Train, diagnose, cure

From five photos to a LoRA, with an eye on what its training does to the rest of the prompt; then the cure
that the diagnosis suggests, and whether it is one.
"""

from dataclasses import replace

import matplotlib.pyplot as plt
from tutorial import Described, TextScaled, settings, sheet, table

import uncollapse as uc
from uncollapse.comparison import PERSONALISED, Arm, compare, tea_arms
from uncollapse.diagnosis import diagnose_trajectory
from uncollapse.subjects import bundled
from uncollapse.training import DreamBoothLoRA, train

options = settings(training_steps=240, contexts=40)

# Five photos of one cat, half purple and half yellow, all in one kitchen. A folder of your own does as
# well.

own = bundled("cat")
photos = options.output / "photos"
photos.mkdir(exist_ok=True)
for number, photo in enumerate(own.photos()):
    photo.save(photos / f"{number}.png")

# DreamBooth-LoRA, as the bundled LoRAs were taught. `checkpoint_steps` keeps what was learned on the way,
# and `resume` has a second run of this script go on from the first.

every = max(1, options.training_steps // 4)
learning = DreamBoothLoRA(
    placeholder="sks cat",
    class_word="cat",
    steps=options.training_steps,
    lr=1e-3,
    text_lr=4e-3,
    text_layers="q_proj,k_proj",
    checkpoint_steps=range(0, options.training_steps + 1, every),
)
trajectory = train(own.miniature.pipeline(), photos, options.output / "sks-cat", learning, resume=True)

# The diagnosis asks the denoiser at each checkpoint how much of a context it still hears, beside the base
# model, with and without an adjustment in force. No picture is drawn for that.

arms = tea_arms([0.2, 0.6], beta=1.0)
contexts = own.contexts().first(options.contexts)
diagnosis = diagnose_trajectory(trajectory, own.miniature.pipeline, contexts, arms=arms)
for point in diagnosis.points:
    heard = {name: f"{measured.values['heard'].value:.2f}" for name, measured in point.arms.items()}
    print(f"step {point.step:3}: {point.word}; heard", ", ".join(f"{name} {x}" for name, x in heard.items()))

steps = [point.step for point in diagnosis.points]
figure, axes = plt.subplots(figsize=(5, 2.6))
for name in diagnosis.points[0].arms:
    axes.plot(steps, [point.arms[name].values["heard"].value for point in diagnosis.points], label=name)
axes.set(xlabel="step", ylabel="context heard", ylim=(0, 1.1))
axes.legend(frameon=False)
figure.tight_layout()
figure.savefig(options.output / "train_diagnose_cure_heard.png", dpi=100)

# ![Curves over the steps: what is heard falls, unevenly, to less than half; α 0.2 lifts it a little, α 0.6
# to all of it](../images/train_diagnose_cure_heard.png)
#
# Half of the context is gone at the end, and α 0.6 has the denoiser hear all of it. What an adjustment does
# to the likeness this cannot say; pictures must. A checkpoint at which more is heard is a rival of any
# cure, if the likeness is there by then: `uncollapse diagnose outputs/tutorial/sks-cat --images 1` draws
# each, in a report. As a rule the context goes [before the likeness comes](../training.md).
#
# So the result is drawn in context, without and with the adjustments, with the LoRA turned down in the text
# encoder, and by the base model with a description.

pipe = own.miniature.pipeline()
pipe.load_lora_weights(trajectory.folder)
comparison = compare(
    pipe,
    uc.Concept("sks cat", anchor="cat"),
    own.prompts()[: options.prompts],
    range(options.seeds),
    [
        PERSONALISED,
        *(Arm(f"TEA, α {arm.adjuster.alpha:g}", arm.adjuster) for arm in arms),
        TextScaled("LoRA, text at 0.25", scale=0.25),
        Described("base, described", personalised=False, words="a purple cat with a yellow half"),
    ],
    replace(own.miniature.drawing, num_inference_steps=options.steps),
    [own.judged()],
)
sheet(comparison, options.output / "train_diagnose_cure.jpg")
table(comparison)

# ![A row a prompt: where the LoRA draws its cat in the kitchen, α 0.6, the LoRA turned down and the base
# model draw the forest that was asked for](../images/train_diagnose_cure.jpg)
#
# **What it costs and what else there is.** For this cat α 0.6 is the best of them: nearly all scenes are
# back, and the likeness stays. The LoRA turned down and the base model with a description keep every scene
# and lose some of the likeness. For the dog of [the first tutorial](cure_a_lora.md) the LoRA turned down
# was the best. No rule says which it will be, and sixteen pictures of each are few: the intervals overlap.
