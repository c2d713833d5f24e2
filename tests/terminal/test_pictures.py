"""Which part of a picture is written next."""

import pyte
from textual.geometry import Region

from wnt_tui.terminal.pictures import Pictures

ROWS = 10
HEADER, FOOTER, FOCUSED = Region(0, 0, 40, 1), Region(0, ROWS - 1, 40, 1), Region(20, 4, 20, 2)


def picture(word: str, rows: int = ROWS) -> str:
    return "".join(f"\x1b[{y + 1};1H" + f"{word}{y} ".ljust(40, ".") for y in range(rows))


class Shown:
    """A terminal that shows the parts."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pictures = Pictures(lambda: self.now)
        self.pictures.arrange([HEADER, FOOTER], [FOCUSED])
        self.pictures.fit(40, ROWS)
        self.screen = pyte.Screen(40, ROWS)
        self._stream = pyte.Stream(self.screen)

    def part(self, room: int = 100) -> bool:
        text = self.pictures.part(room)
        self._stream.feed(text)
        return bool(text)

    def rows(self, word: str) -> list[int]:
        return [y for y, line in enumerate(self.screen.display) if word in line]

    def finish(self) -> None:
        while self.part():
            pass


def test_the_lines_about_the_run_come_first_then_what_has_the_keys_then_the_rest() -> None:
    shown = Shown()
    shown.pictures.take(picture("new"))
    shown.pictures.begin()
    assert shown.part()
    assert shown.rows("new") == [0, ROWS - 1]
    assert shown.part(65)
    assert [line[20:] != " " * 20 for line in shown.screen.display] == [y in {0, 4, 5, ROWS - 1} for y in range(ROWS)]
    shown.finish()
    assert shown.rows("new") == list(range(ROWS))
    assert shown.pictures.current


def test_a_picture_is_written_to_its_end_and_the_next_is_the_newest_not_those_between() -> None:
    shown = Shown()
    shown.pictures.take(picture("first"))
    shown.pictures.begin()
    shown.part()
    shown.pictures.take(picture("second"))
    shown.pictures.take(picture("third"))
    shown.finish()
    assert shown.rows("first") == list(range(ROWS))
    assert not shown.pictures.current
    shown.pictures.begin()
    shown.part()
    assert shown.rows("third")
    shown.finish()
    assert shown.rows("third") == list(range(ROWS))
    assert shown.pictures.current


def test_after_a_key_the_picture_under_way_gives_way_to_the_newest() -> None:
    shown = Shown()
    shown.pictures.take(picture("old"))
    shown.pictures.begin()
    shown.part()
    shown.pictures.key()
    shown.pictures.take(picture("new"))
    shown.part()
    assert shown.rows("new") == [0, ROWS - 1], "the header's new state comes before the rest of the old picture"
    shown.finish()
    assert shown.rows("old") == []


def test_the_effect_of_a_key_shows_though_the_link_had_no_room_for_long() -> None:
    shown = Shown()
    shown.pictures.take(picture("old"))
    shown.pictures.begin()
    shown.part()
    shown.pictures.key()
    shown.pictures.take(picture("new"))
    shown.now += 10.0
    shown.finish()
    assert shown.rows("new") == list(range(ROWS))


def test_what_an_engine_answers_shows_in_the_lines_while_a_picture_is_under_way() -> None:
    shown = Shown()
    shown.pictures.key()
    shown.pictures.take(picture("old"))
    shown.now += 1.0
    shown.part()
    shown.now += 2.0
    shown.pictures.take(picture("paused"))
    shown.part()
    assert shown.rows("paused") == [0, ROWS - 1]
    shown.finish()
    assert shown.rows("old") == list(range(1, ROWS - 1)), "the panels are still those of one picture"


def test_a_dialog_that_opens_does_not_wait_for_the_picture_under_way() -> None:
    shown = Shown()
    shown.pictures.take(picture("old"))
    shown.pictures.begin()
    shown.part()
    shown.pictures.take(picture("dialog"))
    shown.pictures.arrange([], [Region(0, 3, 40, 2)])
    shown.part()
    assert shown.rows("dialog") == [3, 4]
    shown.finish()
    assert shown.rows("old") == []


def test_what_is_urgent_is_what_a_key_changed_in_the_lines() -> None:
    shown = Shown()
    shown.pictures.take(picture("word"))
    shown.pictures.begin()
    assert shown.pictures.part(10_000, urgent=True) == "", "no key was pressed"
    shown.pictures.key()
    text = shown.pictures.part(10_000, urgent=True)
    assert [line[:4] == "word" for line in _displayed(text)] == [y in {0, ROWS - 1} for y in range(ROWS)]
    assert shown.pictures.part(10_000, urgent=True) == ""


def test_with_keys_without_end_every_row_still_has_its_turn() -> None:
    shown = Shown()
    seen: set[int] = set()
    for number in range(100):
        shown.pictures.key()
        shown.pictures.take(picture(f"{number:02}"))
        shown.part(200)
        seen |= {y for y, line in enumerate(shown.screen.display) if line.startswith(f"{number:02}{y}")}
    assert seen == set(range(ROWS))


def test_nothing_is_written_beyond_a_terminal_that_became_smaller() -> None:
    shown = Shown()
    shown.pictures.take(picture("large"))
    shown.pictures.begin()
    shown.pictures.fit(30, 5)
    shown.pictures.take(picture("large"))
    shown.pictures.begin()
    text = shown.pictures.part(10_000)
    assert "large4" in text
    assert "large5" not in text
    assert max(len(line.rstrip()) for line in _displayed(text)) == 30


def _displayed(text: str) -> list[str]:
    screen = pyte.Screen(40, ROWS)
    pyte.Stream(screen).feed(text)
    return screen.display
