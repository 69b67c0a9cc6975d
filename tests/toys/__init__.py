"""What tests are built from, all of it real code at toy size, random weights and made-up files.

tokenizers, pipelines, clip, pictures      words, a pipeline to draw with, a CLIP and pictures to score
layouts, whole_pipelines, modular          other pipelines of diffusers: encoding, drawing, in blocks
every_class                                every class of diffusers that encodes text, built around fakes
custom_diffusion, embedding_files          what other programs train and write
states, outline                            what must come back as it was; a page of HTML, taken apart
comparisons, diagnoses, trainings, docs    what the tests of each are asked
miniature                                  a stand-in for the bundled model
word_pairs                                 prompts and anchors, and real vocabularies for them
"""
