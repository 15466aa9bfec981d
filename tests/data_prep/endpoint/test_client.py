import time

import numpy as np
import pytest

from common.errors import UserError
from conf.schema.endpoint import EndpointConfig
from data_prep.endpoint.client import Answer, Endpoint, Failure
from tests.model_server import DROP, model_server, text_of


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def config(server, **keys):
    return EndpointConfig(**{"url": server.url, "wait": 0.01, "retries": 4, "timeout": 5, "concurrency": 3} | keys)


def ask(settings, folder, texts):
    with Endpoint(settings, folder, "ocr") as endpoint:
        model = endpoint.model()
        answers = list(endpoint.ask_all((text, endpoint.request(model, text)) for text in texts))
    return answers, endpoint.asked


def echo(body, _times):
    return f"{text_of(body)}!"


def test_answers_come_in_order_and_are_asked_once(tmp_path):
    texts = [str(number % 30) for number in range(50)]

    def uneven(body, times):
        time.sleep(0.03 if int(text_of(body)) % 7 == 0 else 0)
        return echo(body, times)

    with model_server(uneven) as server:
        answers, asked = ask(config(server), tmp_path, texts)
        assert answers == [(text, Answer(f"{text}!", True)) for text in texts] and asked == 30
        assert server.came.total() == 30 and 1 < server.most_at_once <= 3
        again, asked = ask(config(server), tmp_path, [*texts, "99"])
        assert again[:-1] == answers and asked == 1 and server.came.total() == 31
        ask(config(server, temperature=0.5), tmp_path, ["1"])
        assert server.came.total() == 32, "another temperature is another request"


def test_only_some_requests_are_made_ahead(tmp_path):
    made = []
    with model_server(echo) as server, Endpoint(config(server), tmp_path, "ocr") as endpoint:
        answers = endpoint.ask_all((made.append(n) or n, endpoint.request("reader", str(n))) for n in range(1000))
        next(answers)
        assert len(made) == 12
        answers.close()


@pytest.mark.parametrize("trouble", [429, 500, 503, 408, DROP, {"choices": []}])
def test_what_passes_is_tried_again(tmp_path, trouble):
    again = not isinstance(trouble, dict)
    with model_server(lambda body, times: trouble if times < 3 else echo(body, times)) as server:
        answers, _ = ask(config(server), tmp_path, ["a", "b"])
    assert answers == [(t, Answer(f"{t}!", True) if again else Failure("an answer without a choice")) for t in "ab"]
    assert set(server.came.values()) == {4 if again else 1}


def test_waiting_doubles_and_the_server_may_ask_for_more(tmp_path):
    came = []

    def busy(body, times):
        came.append(time.monotonic())
        return 429 if times < 3 else "x"

    with model_server(busy) as server:
        ask(config(server, wait=0.1), tmp_path / "a", ["a"])
        assert all(gap >= wait for gap, wait in zip(np.diff(came), (0.1, 0.2, 0.4), strict=True))
        came.clear()
        server.retry_after = "0.3"
        ask(config(server, wait=0.001), tmp_path / "b", ["b"])
        assert min(np.diff(came)) >= 0.3


def test_equal_requests_that_are_under_way_are_asked_once(tmp_path):
    with model_server(echo) as server:
        server.seconds = 0.2
        assert ask(config(server), tmp_path, ["a"] * 9)[0] == [("a", Answer("a!", True))] * 9
        assert server.came.total() == 1


def test_one_request_may_fail_and_is_asked_again_next_time(tmp_path):
    said = {"bad": 400}
    with model_server(lambda body, times: said.get(text_of(body), "ok")) as server:
        answers, _ = ask(config(server), tmp_path, ["good", *["bad"] * 20, "fine"])
        assert answers[0] == ("good", Answer("ok", True)) and answers[-1] == ("fine", Answer("ok", True))
        assert isinstance(answers[1][1], Failure) and "400" in answers[1][1].why
        said["bad"] = "ok"
        assert ask(config(server), tmp_path, ["bad"]) == ([("bad", Answer("ok", True))], 1)


def test_a_slow_answer_is_a_failure_and_others_go_on(tmp_path):
    def slow(body, times):
        time.sleep(1.0 if text_of(body) == "slow" else 0)
        return "ok"

    with model_server(slow) as server:
        answers, _ = ask(config(server, timeout=0.2, retries=1), tmp_path, ["a", "slow", "b"])
    assert [isinstance(answer, Failure) for _, answer in answers] == [False, True, False]


def test_an_answer_that_was_cut_off_says_so(tmp_path):
    reply = {"choices": [{"message": {"content": "half"}, "finish_reason": "length"}]}
    with model_server(lambda *_: reply) as server:
        for _ in range(2):
            assert ask(config(server), tmp_path, ["a"])[0] == [("a", Answer("half", False))]
        assert server.came.total() == 1


def test_a_server_that_goes_away_ends_the_job_and_keeps_what_was_said(tmp_path):
    with model_server(echo) as server:
        ask(config(server), tmp_path, ["a"])
        with Endpoint(config(server, retries=1), tmp_path, "ocr") as endpoint:
            endpoint.model()
            server.stop()
            with pytest.raises(
                UserError, match=r"does not answer .*set ocr.endpoint.url; the same command then goes on"
            ):
                list(endpoint.ask_all((n, endpoint.request("reader", n)) for n in "abc"))
            assert len(endpoint.cache) == 1


def test_a_server_that_fails_at_everything_ends_the_job(tmp_path):
    with model_server(lambda *_: 500) as server, pytest.raises(UserError, match="fails at everything .status 500"):
        ask(config(server, retries=0), tmp_path, map(str, range(100)))
    assert server.came.total() < 30


def test_the_model(tmp_path):
    with model_server(echo, models=("dots.ocr", "other")) as server:
        with Endpoint(config(server), tmp_path, "ocr") as endpoint:
            assert endpoint.model() == "dots.ocr"
        with Endpoint(config(server, model="other"), tmp_path, "ocr") as endpoint:
            assert endpoint.model() == "other"
        with pytest.raises(UserError, match=r"ocr.endpoint.model=dots_ocr: .* did you mean 'dots.ocr'"):
            ask(config(server, model="dots_ocr"), tmp_path, [])
    with model_server(echo, models=None) as server:
        assert ask(config(server, model="any"), tmp_path, ["a"])[0] == [("a", Answer("a!", True))]
    with model_server(echo, models=()) as server, pytest.raises(UserError, match="give its name as ocr.endpoint.model"):
        ask(config(server), tmp_path, [])
    with model_server(lambda *_: 404) as server, pytest.raises(UserError, match="404"):
        ask(config(server), tmp_path, ["a"])


def test_the_key_comes_from_the_environment_and_is_written_nowhere(tmp_path, monkeypatch):
    with model_server(echo) as server:
        server.key = "sk-very-secret"
        with pytest.raises(UserError, match="refuses the key .401.*environment variable MY_KEY"):
            ask(config(server, key_variable="MY_KEY"), tmp_path, ["a"])
        monkeypatch.setenv("MY_KEY", "sk-very-secret")
        ask(config(server, key_variable="MY_KEY"), tmp_path, ["a"])
    assert not any(b"secret" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_an_address_that_is_none(tmp_path):
    with pytest.raises(UserError, match="ocr.endpoint.url=host:8000 is no address"):
        ask(EndpointConfig(url="host:8000"), tmp_path, [])


def test_nobody_is_asked_who_was_not_named(tmp_path):
    with pytest.raises(UserError, match="ocr.endpoint.url is not set; name the server"):
        Endpoint(EndpointConfig(), tmp_path, "ocr")


def test_the_key_of_another_service_is_not_sent(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another")
    with model_server(echo) as server:
        server.key = "sk-of-another"
        with pytest.raises(UserError, match="refuses the key .401.*environment variable TERZI_ENDPOINT_KEY"):
            ask(config(server), tmp_path, ["a"])
        monkeypatch.setenv("TERZI_ENDPOINT_KEY", "sk-of-another\n")
        assert ask(config(server), tmp_path, ["a"])[1] == 1


def test_a_broken_key_is_not_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("TERZI_ENDPOINT_KEY", "sk-secret\nx")
    with model_server(echo) as server, pytest.raises(UserError) as error:
        ask(config(server), tmp_path, ["a"])
    assert "TERZI_ENDPOINT_KEY" in str(error.value) and "sk-secret" not in str(error.value)
