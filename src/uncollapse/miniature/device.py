"""Where the miniature is trained: on a GPU if there is one, in bfloat16 where that is fast."""

import torch


def best_device() -> torch.device:
    """The first CUDA device, or else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster there than float32; on CPUs without instructions for it, it crawls."""
    if device.type != "cpu":
        return True
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
