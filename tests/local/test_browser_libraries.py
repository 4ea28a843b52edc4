"""Browser libraries: fetched once, served whole, and not needed to start."""

from pathlib import Path

import pytest

from deploy.local import browser_libraries as libraries
from deploy.local.process import LaunchError


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of its own, where a fetch finds what npm would bring. Counts its fetches."""
    for name, folder in (("PACKAGES", "node_modules"), ("SERVED", "vendor")):
        monkeypatch.setattr(libraries, name, tmp_path / folder)
    monkeypatch.setattr(libraries, "STAMP", tmp_path / "node_modules" / "kairos-served")

    def fetch() -> None:
        with (tmp_path / "fetches").open("a") as file:
            file.write("x")
        for source in libraries.FILES.values():
            path = tmp_path / "node_modules" / source
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, encoding="ascii")

    monkeypatch.setattr(libraries, "_fetch", fetch)
    return tmp_path


def fetches(folder: Path) -> int:
    return len((folder / "fetches").read_text())


def served(folder: Path) -> set[str]:
    found = (folder / "vendor").rglob("*")
    return {str(path.relative_to(folder / "vendor")) for path in found if path.is_file()}


def test_they_are_fetched_once(folders: Path):
    libraries.ensure()
    libraries.ensure()
    assert fetches(folders) == 1
    assert served(folders) == set(libraries.FILES)


def test_they_are_fetched_again_when_a_file_or_a_pin_is_another(
    folders: Path, monkeypatch: pytest.MonkeyPatch
):
    libraries.ensure()
    (folders / "vendor" / "zxing" / "reader.wasm").unlink()
    libraries.ensure()
    monkeypatch.setattr(libraries, "FILES", dict(list(libraries.FILES.items())[:1]))
    libraries.ensure()
    assert fetches(folders) == 3


def test_killed_while_copying_it_goes_on_the_next_time(
    folders: Path, monkeypatch: pytest.MonkeyPatch
):
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(libraries.shutil, "copyfile", killed)
        with pytest.raises(KeyboardInterrupt):
            libraries.ensure()
    libraries.ensure()
    assert served(folders) == set(libraries.FILES)


def test_without_them_kairos_starts(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def unreachable() -> None:
        raise LaunchError("npm failed: no registry")

    monkeypatch.setattr(libraries, "_fetch", unreachable)
    with pytest.raises(LaunchError):
        libraries.ensure()
    libraries.ensure_or_warn()
    assert "no registry" in capsys.readouterr().err


def test_the_lock_file_pins_hashes_and_names_no_host():
    text = (libraries.ROOT / "package-lock.json").read_text(encoding="utf-8")
    assert '"integrity"' in text
    assert "resolved" not in text
