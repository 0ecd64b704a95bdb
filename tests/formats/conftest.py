import pytest
import specimens


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    """A small model in the layout of 2022; nobody may write in it."""
    return specimens.folder_of_2022(tmp_path_factory.mktemp("models") / "sd15")


@pytest.fixture
def folder(original, tmp_path):
    """A copy of it to write in."""
    return specimens.copied(original, tmp_path / "model")
