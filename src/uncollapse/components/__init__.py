"""A pipeline's parts: what encodes text, what denoises, what is switched on and off."""
