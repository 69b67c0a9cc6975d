"""What a model's text encoders have words for: token tables, tokenizers, and learned vectors among the words.

tables        a model's token table and tokenizer, found in whatever file of it is at hand
inspection    the vectors of an embedding file beside the words
suggestions   anchors for an embedding that has none
"""
