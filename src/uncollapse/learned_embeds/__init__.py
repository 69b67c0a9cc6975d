"""Learned embeddings in files: every layout in which they are handed around, read, written and loaded.

embedding   LearnedEmbedding: one concept's vectors, encoder by encoder, whatever file they came from
layouts     what is called what in a file, layout by layout, both ways
image       the embedding that A1111 hides in a picture
reading     read(path), read_all(path): any file or folder; nothing in it is run
writing     write(path, embedding): diffusers', A1111's, kohya's, or a key for each encoder
loading     load_into(pipe, path): the tokens, into each tokenizer and text encoder they were made for
"""

from ..components.names import ENCODERS, ONLY
from .embedding import LearnedEmbedding
from .loading import load_into
from .reading import read, read_all
from .writing import write

__all__ = ["ENCODERS", "ONLY", "LearnedEmbedding", "load_into", "read", "read_all", "write"]
