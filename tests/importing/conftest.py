from pathlib import Path

import pytest

from tests.importing.files import Importer


@pytest.fixture
def importer(tmp_path: Path, db) -> Importer:
    """The command, with its files in a folder of the test's own."""
    return Importer(tmp_path)
