import math
import threading

import pytest

from engine.config import RunConfig
from engine.errors import SessionError, UsageError
from engine.session.commands import send, wait
from engine.session.liveness import EngineLock
from engine.session.reader import SessionReader
from engine.session.writer import SessionWriter
from tests.session.recorded import engine_process, has_rows, record, tampering, until, write_session


@pytest.fixture
def live(tmp_path):
    path = tmp_path / "a.wnt"
    with EngineLock(path), SessionWriter.create(path, RunConfig(depth=3), {}) as writer:
        yield path, writer


def test_command_reaches_the_engine_and_its_answer_comes_back(live):
    path, writer = live
    number = send(path, "lr", {"lr": 0.5}, "me")
    (command,) = writer.pending_commands()
    assert (command.id, command.name, command.sender) == (number, "lr", "me")
    assert command.arguments == {"lr": 0.5}
    writer.put(record(0))
    writer.answer(number, "done", 0, "η is .5 now")
    assert writer.pending_commands() == []
    answer = wait(path, number, 30)
    assert (answer.state, answer.step, answer.reply) == ("done", 0, "η is .5 now")
    with SessionReader(path) as reader:
        assert reader.last_step() == 0  # an answer is never visible before the rows that precede it
        assert reader.commands()[0].answered is not None


def test_command_of_another_process_is_answered(tmp_path):
    path = tmp_path / "a.wnt"
    with engine_process(path) as engine:
        until(lambda: has_rows(path, 5))
        answer = wait(path, send(path, "stop"), 30)
        assert (answer.state, answer.reply) == ("done", "stop done")
        assert engine.wait(30) == 0
    with SessionReader(path) as reader:
        assert reader.engine().state == "stopped"
        assert reader.last_step() >= answer.step


def test_commands_come_in_order_until_they_are_answered(live):
    path, writer = live
    numbers = [send(path, name) for name in ("pause", "resume", "step")]
    assert [command.id for command in writer.pending_commands()] == numbers
    assert [command.id for command in writer.pending_commands()] == numbers
    writer.answer(numbers[1], "refused", None, "not paused")
    assert [command.name for command in writer.pending_commands()] == ["pause", "step"]
    assert writer.pending_commands()[1].arguments == {"n": 1}


def test_answer_that_does_not_come_in_time_is_pending(live):
    path, _ = live
    assert wait(path, send(path, "pause"), 0.0).state == "pending"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("dance", {}),
        ("pause", {"n": 1}),
        ("step", {"n": 0}),
        ("step", {"n": 1.5}),
        ("step", {"n": True}),
        ("step", {"n": 10**12}),
        ("lr", {}),
        ("lr", {"lr": 0}),
        ("lr", {"lr": -0.1}),
        ("lr", {"lr": math.inf}),
        ("lr", {"lr": math.nan}),
        ("lr", {"lr": 10**400}),
        ("lr", {"lr": "fast"}),
    ],
)
def test_impossible_command_is_not_sent(live, name, arguments):
    path, writer = live
    with pytest.raises(UsageError):
        send(path, name, arguments)
    assert writer.pending_commands() == []


def test_impossible_command_in_the_file_is_refused_by_the_engines_side(live):
    path, writer = live
    with tampering(path) as connection:
        connection.execute("INSERT INTO commands (name, arguments) VALUES ('lr', '{\"lr\": -1}'), ('rm', '{}')")
        connection.execute("INSERT INTO commands (name, arguments) VALUES ('step', 'x')")
    assert [(command.name, command.arguments) for command in writer.pending_commands()] == [("step", {"n": 1})]
    assert wait(path, 1, 30).state == "refused"
    assert wait(path, 2, 30).state == "refused"


def test_commands_to_an_engine_that_is_not_there_are_refused(tmp_path):
    path = write_session(tmp_path / "a.wnt")
    with pytest.raises(SessionError, match="its engine is not running") as caught:
        send(path, "pause")
    assert "replay" in caught.value.hint
    with SessionReader(path) as reader:
        assert reader.commands() == ()


def test_waiting_ends_when_the_engine_dies_without_an_answer(tmp_path):
    path = write_session(tmp_path / "a.wnt")
    with EngineLock(path):
        number = send(path, "pause")
    with pytest.raises(SessionError, match="not running"):
        wait(path, number, 30)
    with pytest.raises(SessionError, match="no command"):
        wait(path, 99, 30)


def test_command_that_comes_too_late_is_refused_at_the_end(tmp_path):
    path = tmp_path / "a.wnt"
    with EngineLock(path):
        with SessionWriter.create(path, RunConfig(), {}):
            number = send(path, "pause")
        answer = wait(path, number, 30)
    assert (answer.state, answer.reply) == ("refused", "The engine has ended.")


def test_commands_of_many_viewers_all_arrive(live):
    path, writer = live
    threads = [threading.Thread(target=lambda: [send(path, "pause") for _ in range(10)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for step in range(200):
        writer.put(record(step))
    for thread in threads:
        thread.join()
    assert len(writer.pending_commands()) == 40
