"""Settings: every one is described once, well enough for the command, the API and the page, and checked when made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from diorama.errors import SettingsError
from diorama.settings import STAGE_NAMES, Settings

FIELDS = Settings.model_json_schema()["properties"]


def _number(schema: dict[str, Any]) -> dict[str, Any] | None:
    """The numeric part of a field's schema, None for a field that is no number."""
    options = [schema, *schema.get("anyOf", [])]
    return next((option for option in options if option.get("type") in {"number", "integer"}), None)


NUMBERS = {name: number for name, schema in FIELDS.items() if (number := _number(schema))}


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_says_what_a_form_needs(name: str) -> None:
    schema = FIELDS[name]
    assert schema["stage"] in STAGE_NAMES
    assert schema["label"][0].isupper()
    assert schema["description"].endswith(".")
    assert isinstance(schema["unit"], str)
    if schema["slider"] and name in NUMBERS:
        low, high, step = NUMBERS[name]["minimum"], NUMBERS[name]["maximum"], schema["step"]
        assert low <= schema["default"] <= high
        assert 0 < step <= (high - low) / 2
        for stop in (schema["default"], high):  # a slider counts its steps from the low end
            steps = (stop - low) / step
            assert steps == pytest.approx(round(steps), abs=1e-6), f"{name}: the slider can't be put at {stop}"


def test_every_setting_belongs_to_one_stage() -> None:
    settings = Settings()
    by_stage = [settings.of_stage(stage) for stage in STAGE_NAMES]
    assert sum(map(len, by_stage)) == len(FIELDS)
    assert {name: value for stage in by_stage for name, value in stage.items()} == settings.model_dump()
    assert settings.of_stage("mesh")["triangles"] == 100_000


@pytest.mark.parametrize("name", [name for name, number in NUMBERS.items() if "maximum" in number])
def test_ranges_hold_and_the_error_names_them(name: str) -> None:
    number = NUMBERS[name]
    low = number.get("minimum", number.get("exclusiveMinimum"))
    assert getattr(Settings.parse({name: number["maximum"]}), name) == number["maximum"]
    for value in (low - 1, number["maximum"] + 1):
        with pytest.raises(SettingsError) as caught:
            Settings.parse({name: value})
        assert name in caught.value.message
        assert f"{number['maximum']:g}" in caught.value.hint
        assert f"{low:g}" in caught.value.hint


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        ({"triangle": 5}, "'triangle'", "Did you mean 'triangles'? The settings are: processing_size, "),
        ({"fov": 500}, "'fov'", "from 5 to 150°; leave it out for none"),
        ({"depth_kind": "log"}, "'depth_kind'", "inverse, metric"),
        ({"triangles": "many"}, "'many'", "1000"),
        ({"depth_range": float("nan")}, "'depth_range'", "20"),
        ({"focal_px": 0}, "'focal_px'", "above 0 px; leave it out for none"),
        ({"depth": ""}, "'depth'", "auto"),
        ({"find_sky": "perhaps"}, "'find_sky'", "True"),
    ],
)
def test_wrong_values_are_told_in_a_sentence(values: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.parse(values)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_settings_file_that_is_not_there_is_said_without_errno(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^There is no settings file .*gone\.json\. Check"):
        Settings.from_file(tmp_path / "gone.json")


def test_settings_are_frozen_and_changed_by_copies() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.triangles = 5000  # type: ignore[misc]
    assert settings.changed(triangles=5000) == Settings(triangles=5000)
    assert settings.triangles == 100_000
    with pytest.raises(SettingsError):
        settings.changed(triangles=5)


@given(st.builds(Settings, triangles=st.integers(1000, 4_000_000), depth_range=st.floats(1.25, 20)))
def test_settings_survive_json(settings: Settings) -> None:
    assert Settings.parse(json.loads(settings.model_dump_json())) == settings


def test_a_settings_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"triangles": 5000}', encoding="utf-8")
    assert Settings.from_file(path) == Settings(triangles=5000)


@pytest.mark.parametrize("text", [None, "triangles: 5", "[1, 2]", '{"triangles": "x"}', "\xff"])
def test_a_bad_settings_file_is_an_error_of_ours(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "settings.json"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError):
        Settings.from_file(path)
