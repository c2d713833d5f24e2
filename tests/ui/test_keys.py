from collections import Counter

from wnt_tui.panels import ALL_PANELS
from wnt_tui.screens.help import key_help
from wnt_tui.screens.keys import KEY_TABLE, bindings, footer_keys
from wnt_tui.theme.themes import make_palette


def test_no_key_does_two_things() -> None:
    keys = Counter(key for binding in bindings() for key in binding.key.split(","))
    assert [key for key, count in keys.items() if count > 1] == []


def test_every_key_with_a_meaning_is_bound() -> None:
    bound = {key for binding in bindings() for key in binding.key.split(",")}
    for entry in KEY_TABLE:
        assert not entry.meaning or set(entry.keys.split(",")) <= bound, entry


def test_every_panel_is_selected_by_its_key() -> None:
    actions = {key: binding.action for binding in bindings() for key in binding.key.split(",")}
    assert [actions[panel.key] for panel in ALL_PANELS] == [f"panel({place})" for place in range(len(ALL_PANELS))]


def test_every_footer_label_stands_for_bound_keys() -> None:
    bound = {key for binding in bindings() for key in binding.key.split(",")}
    for entry in KEY_TABLE:
        assert not entry.label or set(entry.keys.split(",")) <= bound, entry


def test_keys_of_an_engine_are_not_offered_without_one() -> None:
    offered = dict(footer_keys(has_engine=False))
    assert not any(entry.shown in offered for entry in KEY_TABLE if entry.engine)
    assert dict(footer_keys(has_engine=True))["space"] == "pause"
    assert dict(footer_keys(has_engine=True, waits=True))["space"] == "resume"


def test_every_key_and_every_panel_is_in_the_help() -> None:
    text = key_help(make_palette()).plain
    for entry in KEY_TABLE:
        assert not entry.meaning or entry.meaning in text
    for panel in ALL_PANELS:
        assert panel.title in panel.help().plain
        assert len(panel.help().plain) > 200


def test_help_for_an_ascii_terminal_is_ascii() -> None:
    assert key_help(make_palette(ascii_only=True)).plain.isascii()
