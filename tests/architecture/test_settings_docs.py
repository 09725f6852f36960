from __future__ import annotations

from pathlib import Path

from runtime.settings import Settings
from runtime.settings_reference import reference

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "settings.md"


def test_the_page_of_settings_is_what_the_settings_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run `make settings-docs`"


def test_every_setting_tells_what_it_means() -> None:
    untold = [name for name, field in Settings.model_fields.items() if not field.description]

    assert untold == []
