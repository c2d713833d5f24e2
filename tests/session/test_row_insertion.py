import sqlite3
import threading
import time

import pytest

from engine.record import Event
from engine.session.commands import insert_row, send
from engine.session.reader import SessionReader
from engine.session.recording import INSERT_EVENT, event_rows
from tests.session.recorded import engine_process, has_rows, until, write_session

(ROW,) = event_rows(Event(1, "mark", "here"), 0.0).rows


def test_a_row_gets_in_between_the_commits_of_a_program_that_hardly_ever_lets_go(tmp_path):
    path = write_session(tmp_path / "a.wnt")
    done = threading.Event()
    cycles = 0

    def hold():
        nonlocal cycles
        connection = sqlite3.connect(path, isolation_level=None, timeout=30)
        while not done.is_set() and cycles < 400:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(0.05)
            connection.execute("COMMIT")
            time.sleep(0.002)
            cycles += 1
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        for _ in range(5):
            insert_row(path, INSERT_EVENT, ROW)
    finally:
        done.set()
        holder.join()
    assert cycles < 400
    with SessionReader(path) as reader:
        assert sum(kept.event.kind == "mark" for kept in reader.events()) == 5


def test_an_engine_that_records_without_a_break_can_be_commanded(tmp_path):
    path = tmp_path / "a.wnt"
    with engine_process(path):
        until(lambda: has_rows(path, 5))
        numbers = [send(path, "lr", {"lr": 0.5}) for _ in range(100)]
    assert numbers == list(range(1, 101))


def test_what_cannot_be_written_raises_at_once_and_leaves_the_file_as_it_was(tmp_path):
    path = write_session(tmp_path / "a.wnt")
    before = path.read_bytes()
    with pytest.raises(sqlite3.Error):
        insert_row(path, "INSERT INTO nothing VALUES (?)", (1,))
    assert path.read_bytes() == before
