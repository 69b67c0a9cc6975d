"""What encoding costs: plain diffusers, Compel with one weighted word, and ours, on encoders of full size
with random weights.

    python benchmarks/encode_cost.py --encoder sd15    # Stable Diffusion 1.5's, and a step of its U-Net
    python benchmarks/encode_cost.py --encoder flux    # Flux's CLIP and T5 XXL, bfloat16: 12 GB of memory

Checks first that the adjustment with α = 0 and the norm kept returns plain diffusers' embeddings to the last
bit. Forwards are counted where encoders read their token tables; seconds are the process's own, which a busy
machine changes little, medians over prompts, with the range; memory is the most that the process grew by,
sampled every 2 ms. All arms run in one process on the same encoders, the prompt without a negative one. Needs
compel.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import compel
import diffusers
import torch
import transformers
from recorder import Recorder
from sd15 import letter_tokenizer, text_encoder, unet

import uncollapse as uc
from uncollapse.pipelines import cache

PROMPTS = [
    f"a photo of sks cat in the {place}" for place in ("snow", "canyon", "forest", "desert", "kitchen")
]
RESULTS = Path(__file__).parent / "results"
CAT = {"concept": "sks cat", "anchor": "cat"}
STEPS = 20


def clip_parts(dtype: torch.dtype) -> dict:
    tokenizer = letter_tokenizer()
    return {"tokenizer": tokenizer, "text_encoder": text_encoder(tokenizer).to(dtype)}


def sd15() -> diffusers.StableDiffusionPipeline:
    parts = {"vae": None, "unet": None, "scheduler": None, "safety_checker": None, "feature_extractor": None}
    return diffusers.StableDiffusionPipeline(
        **parts, **clip_parts(torch.float32), requires_safety_checker=False
    )


def flux() -> diffusers.FluxPipeline:
    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = ["<pad>", "</s>", "<unk>", "▁", *letters, *(f"<extra_id_{i}>" for i in reversed(range(100)))]
    tokenizer = transformers.T5Tokenizer(
        vocab=[(piece, -float(i)) for i, piece in enumerate(pieces)], model_max_length=512
    )
    config = transformers.T5Config(
        vocab_size=32128, d_model=4096, d_kv=64, d_ff=10240, num_layers=24, num_heads=64,
        feed_forward_proj="gated-gelu", dtype=torch.bfloat16,
    )  # fmt: skip
    with torch.device("meta"):
        encoder = transformers.T5EncoderModel(config)
    encoder = encoder.to(torch.bfloat16).to_empty(device="cpu").eval()
    for parameter in encoder.parameters():
        parameter.data.uniform_(-0.02, 0.02) if parameter.ndim > 1 else parameter.data.fill_(1)
    parts = {"vae": None, "transformer": None, "scheduler": None}
    return diffusers.FluxPipeline(
        **parts, **clip_parts(torch.bfloat16), tokenizer_2=tokenizer, text_encoder_2=encoder
    )


def encode(pipe, prompt: str) -> torch.Tensor:
    if isinstance(pipe, diffusers.FluxPipeline):
        return pipe.encode_prompt(prompt, None, torch.device("cpu"))[0]
    return pipe.encode_prompt(prompt, torch.device("cpu"), 1, False)[0]


def count_forwards(pipe) -> list:
    """A list that grows by one at each forward of a text encoder, seen where it reads its token table."""
    calls: list = []
    encoders = [part for name, part in pipe.components.items() if name.startswith("text_encoder")]
    tables = [encoder.get_input_embeddings().weight for encoder in encoders]
    embedding = torch.nn.functional.embedding

    def counted(ids, weight, *args, **kwargs):
        if any(weight is table for table in tables):
            calls.append(None)
        return embedding(ids, weight, *args, **kwargs)

    torch.nn.functional.embedding = counted
    return calls


def check_identity(pipe) -> None:
    plain = encode(pipe, PROMPTS[0])
    with uc.apply(pipe, **CAT, alpha=0, beta=None):
        if not torch.equal(encode(pipe, PROMPTS[0]), plain):
            raise SystemExit("α = 0 with the norm kept changed the embeddings. Nothing was measured.")
    cache.clear(pipe)


class Memory:
    """The most that the process grew by within the block, in MB."""

    def __enter__(self) -> Memory:
        self.before = self.most = _resident()
        self.done = threading.Event()
        self.sampler = threading.Thread(target=self._sample, daemon=True)
        self.sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.sampler.join()

    def _sample(self) -> None:
        while not self.done.wait(0.002):
            self.most = max(self.most, _resident())

    @property
    def grown(self) -> float:
        return (self.most - self.before) / 1e6


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def measure(
    run: Callable[[str], object], prompts: list[str], calls: list
) -> tuple[float, float, list[float]]:
    """Forwards a prompt, MB, and the CPU seconds of each prompt."""
    calls.clear()
    seconds = []
    with Memory() as memory:
        for prompt in prompts:
            start = time.process_time()
            run(prompt)
            seconds.append(time.process_time() - start)
    return len(calls) / len(prompts), memory.grown, seconds


def unet_step() -> list[float]:
    """CPU seconds of a guided step of Stable Diffusion 1.5's U-Net at 512×512, three times, in bfloat16."""
    denoiser = unet().to(torch.bfloat16)
    noise, text = torch.randn(2, 4, 64, 64).bfloat16(), torch.randn(2, 77, 768).bfloat16()
    seconds = []
    for _ in range(3):
        start = time.process_time()
        denoiser(noise, 10, text)
        seconds.append(time.process_time() - start)
    return seconds


@torch.no_grad()
def main(encoder: str, prompts: list[str], settings: int, output: Path) -> None:
    recorder = Recorder("encode_cost", output, encoder=encoder, prompts=prompts, settings=settings)
    pipe = {"sd15": sd15, "flux": flux}[encoder]()
    check_identity(pipe)
    calls = count_forwards(pipe)
    weighted = {"sd15": compel.CompelForSD, "flux": compel.CompelForFlux}[encoder](pipe)
    weigh = {prompt: prompt.replace("sks", "sks++") for prompt in prompts}
    encode(pipe, PROMPTS[0])  # warm
    rows = {"plain diffusers": measure(lambda prompt: encode(pipe, prompt), prompts, calls)}
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

    plain = statistics.median(rows["plain diffusers"][2])
    summary: dict[str, object] = {}
    print(
        "| encoding a prompt | forwards | CPU seconds: median (range) | × plain | MB |\n|---|---|---|---|---|"
    )
    for name, (forwards, grown, seconds) in rows.items():
        median = statistics.median(seconds)
        spread = f"{median:.3f} ({min(seconds):.3f}–{max(seconds):.3f})"
        print(f"| {name} | {forwards:g} | {spread} | {median / plain:.2f} | {grown:.0f} |")
        summary[name] = {"forwards": forwards, "median": median, "× plain": median / plain, "MB": grown}
        for prompt, took in zip(prompts, seconds, strict=True):
            recorder.add({"arm": name, "prompt": prompt, "seconds": took})
    if encoder == "sd15":
        steps, ours = unet_step(), statistics.median(rows["ours, new prompt"][2])
        step = summary["a guided U-Net step"] = statistics.median(steps)
        for took in steps:
            recorder.add({"arm": "a guided U-Net step", "seconds": took})
        whole = 2 * plain + STEPS * step  # a negative prompt is encoded as well
        print(
            f"\nA guided U-Net step at 512×512 takes {step:.2f} CPU seconds, so a call of {STEPS} steps "
            f"{whole:.0f}, of which a new prompt's adjustment is {100 * (ours - plain) / whole:.2f}%."
        )
    versions = f"torch {torch.__version__}, diffusers {diffusers.__version__}, compel {version('compel')}"
    print(f"\n{platform.machine()}, {torch.get_num_threads()} threads, {versions}, {len(prompts)} prompts")
    recorder.save(summary)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", choices=["sd15", "flux"], default="sd15")
    parser.add_argument("--prompts", type=int, default=len(PROMPTS), choices=range(1, len(PROMPTS) + 1))
    parser.add_argument("--settings", type=int, default=4)
    parser.add_argument("--output", type=Path, help="where the results go; by default named for the encoder")
    chosen = parser.parse_args()
    output = chosen.output or RESULTS / f"encode_cost_{chosen.encoder}.json"
    main(chosen.encoder, PROMPTS[: chosen.prompts], chosen.settings, output)
