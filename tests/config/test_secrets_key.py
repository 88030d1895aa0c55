"""The keys for secrets: read from SECRETS_KEY, or made in the folder of the embedded mode."""

import stat
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.environment import read_secrets_keys

NAME = "SECRETS_KEY"
FIRST, SECOND = "a" * 32, "b" * 44


def test_keys_are_read_in_their_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(NAME, f" {FIRST}, {SECOND} ,")

    assert read_secrets_keys(NAME, tmp_path / "key") == [FIRST, SECOND]
    assert not (tmp_path / "key").exists()


def test_embedded_mode_makes_a_key_that_its_owner_alone_reads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(NAME, raising=False)

    (key,) = read_secrets_keys(NAME, tmp_path / "key")

    assert read_secrets_keys(NAME, tmp_path / "key") == [key]
    assert len(key) >= 32
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_beside_a_database_url_there_may_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "")

    assert read_secrets_keys(NAME, None) == []


def test_short_key_is_named_by_its_number_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, f"{FIRST},swordfish")

    with pytest.raises(ImproperlyConfigured, match="SECRETS_KEY: key number 2 has 9") as refused:
        read_secrets_keys(NAME, None)

    assert "swordfish" not in str(refused.value)


def test_key_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(NAME, raising=False)
    (tmp_path / "key").mkdir()

    with pytest.raises(ImproperlyConfigured, match="cannot be read"):
        read_secrets_keys(NAME, tmp_path / "key")
