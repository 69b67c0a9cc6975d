"""A token table is given out where its rows can be read and written, and refused by what is wrong with it."""

import peft
import pytest
import torch

import uncollapse as uc
from toys.layouts import LAYOUTS
from toys.pipelines import make_pipeline
from toys.whole_pipelines import build
from uncollapse.components import text_encoders, token_table
from uncollapse.errors import PipelineError, TrainingError
from uncollapse.training.steering import basis_rows
from uncollapse.training.token_rows import learning_rows
from uncollapse.vocabulary.tables import vocabularies_of


def quantised(table):
    return torch.nn.Embedding(*table.weight.shape, _weight=table.weight.to(torch.int8), _freeze=True)


def wrapped(table):
    return torch.nn.Sequential(table)


def offloaded(table):
    return torch.nn.Embedding(*table.weight.shape, device="meta")


BROKEN = {
    quantised: r"is quantised \(torch.int8\), so ",
    wrapped: r"is wrapped by an adapter \(Sequential\); merge or unload it first, so ",
    offloaded: r"is offloaded, layer by layer; turn sequential offload on afterwards, so ",
}


@pytest.mark.parametrize("name", ["SDXL", "SD3", "Flux", "templated"])
def test_the_table_shares_its_memory_with_the_encoder(name):
    pipe = LAYOUTS["P M, template, unpadded"]() if name == "templated" else build(name)
    for encoder in text_encoders(pipe).values():
        own = encoder.get_input_embeddings().weight
        table = token_table(encoder, "test()", "nothing.")
        assert table.shape == own.shape
        assert not table.requires_grad
        table[1] = 7
        assert (own[1] == 7).all()


@pytest.mark.parametrize("broken", BROKEN)
def test_an_error_says_who_asked_what_is_wrong_and_what_helps(broken):
    encoder = make_pipeline().text_encoder
    encoder.set_input_embeddings(broken(encoder.get_input_embeddings()))
    message = rf"^test\(\): the token table of CLIPTextModel {BROKEN[broken]}nothing works\. Do this\.$"
    with pytest.raises(PipelineError, match=message):
        token_table(encoder, "test()", "nothing works. Do this.")
    with pytest.raises(TrainingError, match=message):
        token_table(encoder, "test()", "nothing works. Do this.", TrainingError)


def test_a_table_with_an_adapter_of_peft_is_refused():
    encoder = make_pipeline().text_encoder
    encoder.add_adapter(peft.LoraConfig(r=2, target_modules=["token_embedding"], init_lora_weights=False))
    with pytest.raises(PipelineError, match="is wrapped by an adapter"):
        token_table(encoder, "test()", "nothing.")


def load(pipe, path):
    uc.learned_embeds.write(path, uc.learned_embeds.LearnedEmbedding("<t>", {"text_encoder": torch.ones(32)}))
    uc.learned_embeds.load_into(pipe, path)


def adjust(pipe, _):
    pipe.tokenizer.add_tokens("<t>")
    uc.apply(pipe, "<t>", anchor="cat")


def learn(pipe, _):
    with learning_rows(pipe, "<t>", "cat", "cat"):
        pass


CALLERS = {
    load: (r"load_into\(\)", "takes no learned tokens"),
    adjust: (r"apply\(\)", 'cannot be rewritten. level="prompt" works'),
    learn: (r"train\(\)", "no row can be learned beside it"),
    (lambda pipe, _: basis_rows(pipe, ["a cat <t> a dog"], "<t>")): (r"train\(\)", "no row can be learned"),
    (lambda pipe, _: vocabularies_of(pipe)): (r"vocabularies_of\(\)", "its words cannot be read"),
}


@pytest.mark.parametrize("call", CALLERS)
@pytest.mark.parametrize("broken", BROKEN)
def test_every_function_that_needs_a_table_names_itself(call, broken, tmp_path):
    pipe = make_pipeline()
    pipe.text_encoder.set_input_embeddings(broken(pipe.text_encoder.get_input_embeddings()))
    caller, remedy = CALLERS[call]
    with pytest.raises(
        uc.UncollapseError, match=rf"^{caller}: the token table of .*{BROKEN[broken]}.*{remedy}"
    ):
        call(pipe, tmp_path / "t.safetensors")
