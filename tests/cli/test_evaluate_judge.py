"""``uncollapse evaluate judge``, against a server on this machine: honest, wrong, and in trouble."""

import base64
import json
import shutil

import pytest
import typer
from typer.testing import CliRunner

from toys.vlm import completion, lies, make_run, sees, serving
from uncollapse.cli.evaluate_judge import judge
from uncollapse.evaluation.cell_files import cells_at, read_cells, write_cells
from uncollapse.evaluation.judging import endpoint
from uncollapse.evaluation.judging.items import pixels
from uncollapse.evaluation.report import findings

SECRET = "sk-very-secret"


def run(*arguments):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(judge)
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    (folder / "run").mkdir()
    write_cells(make_run(folder / "run", folder / "photos"), folder / "run" / "cells.jsonl")
    return folder


@pytest.fixture
def pets(drawn, tmp_path):
    shutil.copytree(drawn, tmp_path, dirs_exist_ok=True)
    return tmp_path / "run"


@pytest.fixture
def honest(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setattr(endpoint, "RETRIES", 0)
    with serving(sees) as server:
        yield server


@pytest.fixture
def ask(pets, honest):
    def call(*arguments, server=honest):
        given = ("--model", "eyes", "--photos", pets.parent / "photos", "--class-word", "my-cat=cat")
        more = ("--class-word", "my-dog=dog", "--base-url", server.address)
        return run(pets, *given, *more, *arguments)

    return call


def address(png):
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def written(pets):
    return {path.name: path.read_text(encoding="utf-8") for path in pets.rglob("*.jsonl")}


def test_an_honest_judge_gives_scores_that_reports_read(ask, honest, pets):
    result = ask()
    assert result.exit_code == 0, result.output
    assert "ranks 100% of the pairs with another subject's photo" in result.stdout
    assert "image: alpha with itself 1.00" in result.stdout
    cells = {(c.concept, c.arm, c.prompt, c.score.split("|")[0]): c.value for c in cells_at(pets)[0]}
    in_snow = "a photo of {} in the snow"
    assert cells["my-cat", "TEA", in_snow, "vlm_prompt"] == 4.0
    assert cells["my-cat", "personalised", in_snow, "vlm_scene"] == 0.0
    assert cells["my-cat", "base", in_snow, "vlm_image"] < cells["my-cat", "TEA", in_snow, "vlm_image"]
    found = findings(cells_at(pets)[0], context="vlm_scene", likeness="vlm_image")
    assert found.context == "vlm_scene|rubric=v1|eyes|mean"
    assert SECRET not in str(written(pets))
    asked = len(honest.bodies)
    assert ask().exit_code == 0
    assert len(honest.bodies) == asked  # what was answered is not asked again


def test_a_judge_that_ranks_nothing_right_is_rejected_and_its_scores_are_not_written(ask, pets):
    with serving(lies) as server:
        result = ask(server=server)
    assert result.exit_code == 4
    assert "'eyes' is rejected: of the pairs with" in result.stderr
    assert not list(pets.rglob("judge/*.cells.jsonl"))
    assert list(pets.rglob("judge/*.replies.jsonl"))


def test_refusals_are_rows_without_a_figure_and_are_counted(ask, honest, pets, monkeypatch):
    refused = {address(pixels(pets / f"{name}-desert-TEA-0.png")) for name in ("my-cat", "my-dog")}
    answered = honest.reply

    def reply(body):
        *_, seen, _ = body["messages"][1]["content"]
        asks_for_the_place = body["response_format"]["json_schema"]["name"] == "prompt"
        if asks_for_the_place and seen["image_url"]["url"] in refused:
            return 200, {}, completion(None, refusal="No.")
        return answered(body)

    monkeypatch.setattr(honest, "reply", reply)
    result = ask()
    assert result.exit_code == 0, result.output
    assert "2 × refused" in result.stdout
    replies = next(text for name, text in written(pets).items() if "replies" in name)
    assert replies.count("No.") == 2
    rows = [c for c in cells_at(pets)[0] if c.value is None]
    assert {(c.concept, c.arm, c.prompt) for c in rows} == {
        (name, "TEA", "a photo of {} in the desert") for name in ("my-cat", "my-dog")
    }


def test_questions_that_failed_stay_open_and_end_it_with_3(ask, honest, pets):
    honest.script += [(500, {}, b"oops"), (429, {}, b"slow down"), None]
    result = ask()
    assert result.exit_code == 3
    assert "3 questions are open" in result.stderr
    assert not list(pets.rglob("judge/*.cells.jsonl"))
    assert ask().exit_code == 0


def test_a_dry_run_asks_nothing_and_reckons_with_what_replies_took(ask, honest):
    result = ask("--dry-run", "--price", "1,10")
    assert "requests with" in result.stdout
    assert "ask a few with --limit 5 first" in result.stdout
    assert honest.bodies == []
    assert ask("--limit", 5).exit_code == 3
    assert len(honest.bodies) == 5
    said = " ".join(ask("--dry-run", "--price", "1,10").stdout.split())
    requests = int(said.split()[0])
    assert f"about {requests * 1000:,} tokens read and {requests * 20:,} written, by 5 replies" in said
    assert f"about {requests * 1.2 / 1000:.2f} by that price" in said


def test_a_batch_goes_out_and_its_answers_come_back_in_any_order(ask, honest, pets, tmp_path):
    batch, answers = tmp_path / "batch.jsonl", tmp_path / "answers.jsonl"
    assert ask("--export-batch", batch).exit_code == 0
    lines = [json.loads(line) for line in batch.read_text(encoding="utf-8").splitlines()]
    assert len({line["custom_id"] for line in lines}) == len(lines)
    assert {line["url"] for line in lines} == {"/v1/chat/completions"}
    back = []
    for line in lines[::-1]:
        _, _, text = honest.reply(line["body"])
        back.append(
            {"custom_id": line["custom_id"], "response": {"status_code": 200, "body": json.loads(text)}}
        )
    back[0] = {"custom_id": back[0]["custom_id"], "response": None, "error": {"code": "batch_expired"}}
    back.append({"custom_id": "stranger", "response": {"status_code": 200, "body": {}}})
    answers.write_text("\n".join(map(json.dumps, back)), encoding="utf-8")
    result = ask("--import-batch", answers)
    assert f"{len(lines) - 1} answers kept, 1 lines answer nothing" in result.stderr
    assert result.exit_code == 3
    assert "1 questions are open" in result.stderr
    assert ask().exit_code == 0
    assert len(honest.bodies) == 1
    assert read_cells(next(pets.rglob("judge/*.cells.jsonl")))


def test_what_is_no_batch_is_refused_whole(ask, pets, tmp_path):
    (tmp_path / "answers.jsonl").write_text('{"custom_id": "a"}\n{"b": 1}', encoding="utf-8")
    result = ask("--import-batch", tmp_path / "answers.jsonl")
    assert result.exit_code == 2
    assert "line 2, is no answer of a batch" in result.stderr
    assert not list(pets.rglob("judge/*.replies.jsonl"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--rubric", "v9"), "--rubric='v9' is no rubric: there is v1"),
        (("--price", "1,2"), "--price says what --dry-run reckons with"),
        (("--dry-run", "--price", "cheap"), "--price='cheap' is not two prices"),
        (("--dry-run", "--export-batch", "b.jsonl"), "each do another thing"),
        (("--class-word", "cat"), "names no concept of this run"),
    ],
)
def test_what_cannot_be_meant_is_refused(ask, honest, arguments, says):
    result = ask(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert honest.bodies == []
