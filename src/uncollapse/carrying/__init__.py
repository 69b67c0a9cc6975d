"""A LoRA that carries the adjustment, for programs that take no plug-in; and the way back.

carry      bake_lora and unbake_lora: what is added to a file, and what is said of it
fitting    the low-rank part of the text encoders that does what an adjustment does
captions   what it is fitted on, and measured on
layers     LoRA files of every layout: their layers, and more added to them
"""

from .carry import Carried, bake_lora, check_arm, holds_lora, unbake_lora, work
from .fitting import FitSettings

__all__ = ["Carried", "FitSettings", "bake_lora", "check_arm", "holds_lora", "unbake_lora", "work"]
