"""What encoding costs: plain diffusers, Compel with one weighted word, and ours, on a text encoder as large
as Stable Diffusion 1.5's with random weights.

    python benchmarks/encode_cost.py --prompts 5 --settings 4

Checks first that the adjustment with α = 0 and the norm kept returns plain diffusers' embeddings to the last
bit. Forwards are counted at the encoder class's own method; seconds are medians over prompts, with the range.
All arms run in one process on the same encoder, the prompt without a negative one. Needs compel.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import compel
import diffusers
import torch
import transformers
from transformers.convert_slow_tokenizer import bytes_to_unicode

import uncollapse as uc
from uncollapse.pipelines import cache

PROMPTS = [
    f"a photo of sks cat in the {place}" for place in ("snow", "canyon", "forest", "desert", "kitchen")
]
CAT = {"concept": "sks cat", "anchor": "cat"}


def pipeline() -> diffusers.StableDiffusionPipeline:
    """No denoiser; a tokenizer of single letters, padded to 77 as CLIP's."""
    letters = list(bytes_to_unicode().values())
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocab = {token: i for i, token in enumerate(tokens)}
    tokenizer = transformers.CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77)
    torch.manual_seed(0)
    config = transformers.CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
        bos_token_id=512, eos_token_id=513, pad_token_id=513,
    )  # fmt: skip
    return diffusers.StableDiffusionPipeline(
        vae=None, unet=None, scheduler=None, safety_checker=None, feature_extractor=None, tokenizer=tokenizer,
        text_encoder=transformers.CLIPTextModel(config).eval(), requires_safety_checker=False,
    )  # fmt: skip


def count_forwards(encoder: torch.nn.Module) -> list:
    """A list that grows by one at each forward."""
    kind, calls = type(encoder), []
    forward = kind.forward

    def counted(self, *args, **kwargs):
        calls.append(None)
        return forward(self, *args, **kwargs)

    kind.forward = counted
    return calls


def encode(pipe, prompt: str) -> torch.Tensor:
    return pipe.encode_prompt(prompt, torch.device("cpu"), 1, False)[0]


def check_identity(pipe) -> None:
    plain = encode(pipe, PROMPTS[0])
    with uc.apply(pipe, **CAT, alpha=0, beta=None):
        if not torch.equal(encode(pipe, PROMPTS[0]), plain):
            raise SystemExit("α = 0 with the norm kept changed the embeddings. Nothing was measured.")
    cache.clear(pipe)


def measure(run: Callable[[str], object], prompts: list[str], calls: list) -> tuple[str, str]:
    """Forwards a prompt, and seconds: median (least–most)."""
    calls.clear()
    seconds = []
    for prompt in prompts:
        start = time.perf_counter()
        run(prompt)
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds)
    return f"{len(calls) / len(prompts):g}", f"{median:.3f} ({min(seconds):.3f}–{max(seconds):.3f})"


@torch.no_grad()
def main(prompts: list[str], settings: int) -> None:
    pipe = pipeline()
    check_identity(pipe)
    calls = count_forwards(pipe.text_encoder)
    weighted = compel.CompelForSD(pipe)
    rows = {"plain diffusers": measure(lambda prompt: encode(pipe, prompt), prompts, calls)}
    weigh = {prompt: prompt.replace("sks", "sks++") for prompt in prompts}
    rows["Compel, one weighted word"] = measure(lambda prompt: weighted(weigh[prompt]), prompts, calls)
    with uc.apply(pipe, **CAT):
        rows["ours, new prompt"] = measure(lambda prompt: encode(pipe, prompt), prompts, calls)
        rows["ours, repeated prompt"] = measure(lambda prompt: encode(pipe, prompt), prompts, calls)
    cache.clear(pipe)

    def sweep(prompt: str) -> None:
        for number in range(settings):
            with uc.apply(pipe, **CAT, alpha=number / settings):
                encode(pipe, prompt)

    rows[f"ours, {settings} settings"] = measure(sweep, prompts, calls)

    print("| encoding a prompt | forwards | seconds: median (range) |\n|---|---|---|")
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(cells)} |")
    versions = f"torch {torch.__version__}, diffusers {diffusers.__version__}"
    print(f"\n{platform.machine()}, {torch.get_num_threads()} threads, {versions}, {len(prompts)} prompts")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompts", type=int, default=len(PROMPTS), choices=range(1, len(PROMPTS) + 1))
    parser.add_argument("--settings", type=int, default=4)
    chosen = parser.parse_args()
    main(PROMPTS[: chosen.prompts], chosen.settings)
