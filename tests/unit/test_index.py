"""What the index answers, what it reads again, and that it stays right whatever happens to it or to the files."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from component_files import dataset, model, package, put, put_all, uid

from cmx.errors import ComponentNotFound, UsageError
from cmx.reference import Reference
from cmx.repository import Catalog, Repository, listing, reading
from cmx.repository.query import Query
from cmx.settings import Settings


def catalog(settings: Settings, *roots: Path, revision: str = "") -> Catalog:
    return Catalog([Repository(root.name, root, revision=revision) for root in roots], settings)


def names(found: Catalog, **asked: object) -> list[str]:
    return [entry.name for entry in found.query(Query(**asked))]  # type: ignore[arg-type]


class Reads:
    """The files that were read since the last look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._files: list[str] = []
        read = reading.read

        def noting(files: Sequence[str]) -> list[reading.Row]:
            self._files += [Path(file).parent.name for file in files]
            return read(files)

        monkeypatch.setattr(reading, "read", noting)

    def take(self) -> list[str]:
        taken, self._files[:] = sorted(self._files), []
        return taken


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(monkeypatch)


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    return put_all(
        tmp_path / "zoo",
        dataset("photos", tags="[images, small]"),
        dataset("films", tags="[images, large]"),
        model("efficientnet", "{onnx: {source: {file: a}}, int8: {source: {file: b}}}", tags="[small]"),
        model("resnet50", tags="[large]"),
        package("numpy"),
    )


# Queries.


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (("images",), ["films", "photos"]),
        (("images", "small"), ["photos"]),
        (("images", "-small"), ["films"]),
        (("-images",), ["efficientnet", "resnet50", "numpy"]),
        (("_onnx",), ["efficientnet", "resnet50"]),
        (("_onnx", "_int8"), ["efficientnet"]),
        (("_onnx", "-_int8"), ["resnet50"]),
        (("nothing",), []),
    ],
)
def test_tags_are_all_of_them_without_those_with_a_minus_and_with_variants(
    settings: Settings, zoo: Path, tags: tuple[str, ...], expected: list[str]
) -> None:
    assert names(catalog(settings, zoo), tags=tags) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("PHOTOS",), ["photos"]),
        (("dataset",), ["films", "photos"]),
        (("eff", "mod"), ["efficientnet"]),
        (("the model",), ["efficientnet", "resnet50"]),
        (("net50",), ["resnet50"]),
        (("net",), ["efficientnet", "resnet50"]),
        (("photos", "model"), []),
        (('"photos" OR',), []),
        (("*",), []),
        (("small",), ["photos", "efficientnet"]),
    ],
)
def test_words_are_all_of_them_as_beginnings_and_if_none_begins_so_inside_names(
    settings: Settings, zoo: Path, words: tuple[str, ...], expected: list[str]
) -> None:
    assert names(catalog(settings, zoo), words=words) == expected


def test_words_are_found_where_sqlite_has_no_full_text_search(
    settings: Settings, zoo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cmx.repository.tables._WORDS", "create virtual table words using no_such_module (text)")
    found = catalog(settings, zoo)
    assert names(found, words=("dataset", "PHOTO")) == ["photos"]
    put_all(zoo, dataset("sounds"))
    assert names(catalog(settings, zoo), words=("sounds",)) == ["sounds"]


def test_words_that_are_nearly_everywhere_are_looked_for_in_what_has_the_others(
    settings: Settings, zoo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cmx.repository.query._COMMON", 2)
    put(zoo, "datasets/odd", dataset("odd").replace("The dataset odd", "The Ödd-datasets of theatre"))
    found = catalog(settings, zoo)
    assert names(found, words=("dataset", "the", "photos")) == ["photos"]
    assert names(found, words=("The", "dataset")) == ["films", "odd", "photos"]
    assert names(found, words=("thea", "datasets", "ödd")) == ["odd"]
    assert names(found, words=("dataset", "odd", "model")) == []
    put(zoo, "datasets/air", dataset("air").replace("The dataset air", "What we breathe"))
    found = catalog(settings, zoo)
    assert names(found, words=("dataset", "breathe")) == ["air"]
    assert names(found, words=("the", "breathe")) == []
    assert names(found, words=("efficientnet", "small", "the"), kind="model") == ["efficientnet"]


def test_components_are_chosen_by_kind_name_and_uid(settings: Settings, zoo: Path) -> None:
    found = catalog(settings, zoo)
    assert names(found, kind="dataset") == ["films", "photos"]
    assert names(found, name="numpy") == ["numpy"]
    assert names(found, uid=uid("model/resnet50")) == ["resnet50"]
    assert names(found, kind="model", name="photos") == []


def test_a_platform_leaves_out_what_says_that_it_works_elsewhere(settings: Settings, tmp_path: Path) -> None:
    put_all(
        tmp_path / "zoo",
        dataset("anywhere"),
        dataset("mac") + "platforms: [macos]\n",
        dataset("arm") + "platforms: [linux-aarch64]\n",
        dataset("penguin") + "platforms: [linux, windows]\n",
    )
    found = catalog(settings, tmp_path / "zoo")
    assert names(found, platform="linux") == ["anywhere", "penguin"]
    assert names(found, platform="linux-aarch64") == ["anywhere", "arm", "penguin"]
    assert names(found, platform="macos") == ["anywhere", "mac"]


def test_two_catalogs_of_one_home_do_not_see_each_others_components(settings: Settings, zoo: Path) -> None:
    other = put_all(zoo.parent / "other", dataset("photos"), dataset("words"))
    assert names(catalog(settings, zoo), kind="dataset") == ["films", "photos"]
    assert names(catalog(settings, other)) == ["photos", "words"]
    assert catalog(settings, other).problems == []
    both = catalog(settings, other, zoo)
    assert [(e.name, e.repository) for e in both.entries("dataset")] == [
        ("films", "zoo"),
        ("photos", "other"),
        ("words", "other"),
    ]
    assert len(both.problems) == 1
    assert [both.counts(each) for each in both.repositories] == [(2, 0), (4, 1)]


# What is looked at again.


def test_nothing_unchanged_is_read_again(settings: Settings, zoo: Path, reads: Reads) -> None:
    catalog(settings, zoo).entries()
    assert len(reads.take()) == 5
    catalog(settings, zoo).entries()
    assert reads.take() == []
    put_all(zoo, dataset("words"))
    (zoo / "datasets/films/component.yaml").unlink()
    assert names(catalog(settings, zoo), kind="dataset") == ["photos", "words"]
    assert reads.take() == ["words"]


def test_a_file_written_again_at_once_with_the_same_size_is_read_again(settings: Settings, tmp_path: Path) -> None:
    """Two writes within a tick of the clock have the same time of change: the first is not read before it is over."""
    for version in range(6):
        put_all(tmp_path, dataset("photos", version=f"1.{version}.0"))
        assert [e.version for e in catalog(settings, tmp_path).entries()] == [f"1.{version}.0"]


def test_a_file_that_another_one_replaced_is_read_again(settings: Settings, zoo: Path, tmp_path: Path) -> None:
    catalog(settings, zoo).entries()
    file = zoo / "datasets/photos/component.yaml"
    status = file.stat()
    new = tmp_path / "new"
    new.write_text(file.read_text().replace("The dataset photos", "The dataset PHOTOS"))
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    new.replace(file)
    assert catalog(settings, zoo).entries("dataset")[1].description == "The dataset PHOTOS"


def test_a_folder_that_was_renamed_is_followed(settings: Settings, zoo: Path) -> None:
    catalog(settings, zoo).entries()
    (zoo / "datasets").rename(zoo / "data")
    found = catalog(settings, zoo).find(Reference("dataset", "photos"))
    assert found.file == zoo / "data/photos/component.yaml"


def test_a_managed_repository_is_looked_through_only_when_its_revision_changes(
    settings: Settings, zoo: Path, reads: Reads
) -> None:
    assert len(catalog(settings, zoo, revision="1").entries()) == 5
    put_all(zoo, dataset("words"))
    (zoo / "datasets/films/component.yaml").unlink()
    assert names(catalog(settings, zoo, revision="1"), kind="dataset") == ["films", "photos"]
    reads.take()
    assert names(catalog(settings, zoo, revision="2"), kind="dataset") == ["photos", "words"]
    assert reads.take() == ["words"]


def test_a_component_of_a_managed_repository_is_looked_at_once_more_before_it_is_used(
    settings: Settings, zoo: Path
) -> None:
    catalog(settings, zoo, revision="1").entries()
    put_all(zoo, dataset("photos", version="2.0.0"))
    assert catalog(settings, zoo, revision="1").find(Reference("dataset", "photos")).version == "2.0.0"
    (zoo / "datasets/films/component.yaml").unlink()
    with pytest.raises(ComponentNotFound, match="there is no dataset/films"):
        catalog(settings, zoo, revision="1").find(Reference("dataset", "films"))
    put(zoo, "datasets/photos", "[")
    with pytest.raises(ComponentNotFound, match="dataset/photos is broken"):
        catalog(settings, zoo, revision="1").find(Reference("dataset", "photos"))


def test_a_catalog_that_lives_long_sees_that_a_component_changed(settings: Settings, zoo: Path) -> None:
    found = catalog(settings, zoo)
    before = found.find(Reference("dataset", "photos"))
    assert found.find(Reference("dataset", "photos")) is before
    put_all(zoo, dataset("photos", version="2.0.0"))
    assert found.find(Reference("dataset", "photos")).version == "2.0.0"


def test_all_is_read_again_when_the_schemas_change(
    settings: Settings, zoo: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog(settings, zoo, revision="1").entries()
    reads.take()
    monkeypatch.setattr(listing, "_RULES", "others")
    assert len(catalog(settings, zoo, revision="1").entries()) == 5
    assert len(reads.take()) == 5


# Conflicts.


def test_what_a_hidden_component_hid_comes_back(settings: Settings, tmp_path: Path) -> None:
    """c has the uid of a, so it is out; then what it would have hidden is used."""
    a, b, c = (tmp_path / name for name in "abc")
    put_all(a, dataset("audio"))
    put_all(b, dataset("photos", of="dataset/audio"))
    put_all(c, dataset("photos"))
    found = catalog(settings, a, b, c)
    assert [(e.name, e.repository) for e in found.entries()] == [("audio", "a"), ("photos", "c")]
    assert [p.file.parents[2].name for p in found.problems] == ["b"]
    assert [e.repository for e in catalog(settings, b, c).entries()] == ["b"]


def test_a_duplicate_that_is_deleted_by_hand_hides_nothing_any_more(settings: Settings, tmp_path: Path) -> None:
    put(tmp_path, "one", dataset("photos"))
    put(tmp_path, "two", dataset("photos"))
    assert len(catalog(settings, tmp_path).problems) == 1
    (tmp_path / "one/component.yaml").unlink()
    found = catalog(settings, tmp_path)
    assert (found.problems, [e.file.parent.name for e in found.entries()]) == ([], ["two"])


def test_an_empty_range_is_refused_at_once(settings: Settings, zoo: Path) -> None:
    with pytest.raises(UsageError) as caught:
        catalog(settings, zoo).find(Reference.parse("dataset/photos>=2,<1"))
    assert caught.value.message == "dataset/photos>=2,<1: no version is both >=2 and <1"
    with pytest.raises(UsageError, match="no version is both"):
        catalog(settings, zoo).find(Reference.parse("dataset/nowhere>=2,<1"))


def test_versions_are_excluded_and_pinned(settings: Settings, tmp_path: Path) -> None:
    for version in ("1.0.0", "1.1.0", "1.2.0", "2.0.0rc1"):
        put(tmp_path, f"photos/{version}", dataset("photos", version=version))
    found = catalog(settings, tmp_path)
    for specifier, version in (
        ("", "1.2.0"),
        ("!=1.2.0", "1.1.0"),
        ("!=1.2.0,!=1.1.0", "1.0.0"),
        ("==1.0.0", "1.0.0"),
        ("~=1.1", "1.2.0"),
        (">=2.0.0rc1", "2.0.0rc1"),
    ):
        assert found.find(Reference("dataset", "photos", specifier)).version == version
    with pytest.raises(ComponentNotFound, match=r"no version of dataset/photos is >=1\.3"):
        found.find(Reference("dataset", "photos", ">=1.3"))


# Many files, and processes.


def test_several_processes_read_what_one_would(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(90):
        put(tmp_path / "zoo", f"d{number:03}", dataset(f"d-{number}") if number % 9 else "[")
    files = [str(file) for file in Repository.open(tmp_path / "zoo").files()]
    alone = list(reading.read_all(files))
    monkeypatch.setattr(reading, "_WORTH_A_PROCESS", 20)
    monkeypatch.setattr(reading, "_CHUNK", 7)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert list(reading.read_all(files)) == alone
    assert [reading.read([file])[0] for file in files] == alone
    assert sum(1 for row in alone if row[-2]) == 10


def test_a_reading_process_that_dies_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [str(put(tmp_path, f"d{number}", dataset(f"d-{number}"))) for number in range(8)]
    monkeypatch.setattr(reading, "_WORTH_A_PROCESS", 2)
    monkeypatch.setattr(reading, "_CHUNK", 2)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(reading, "_CHILD", "raise SystemExit")
    assert [row[1] for row in reading.read_all(files)] == [f"d-{number}" for number in range(8)]


def test_an_update_that_was_killed_is_finished_by_the_next(settings: Settings, zoo: Path, reads: Reads) -> None:
    catalog(settings, zoo).entries()
    with sqlite3.connect(settings.cache / "index.sqlite") as connection:
        connection.execute("update repository set revision = ''")
        connection.execute("delete from component where name = 'photos'")
    connection.close()
    reads.take()
    (zoo / "datasets/films/component.yaml").unlink()
    assert names(catalog(settings, zoo), kind="dataset") == ["photos"]
    assert reads.take() == ["photos"]


def test_processes_that_change_and_ask_at_once_all_get_right_answers(settings: Settings, tmp_path: Path) -> None:
    put_all(tmp_path / "zoo", dataset("photos"))
    program = (
        "import sys; from pathlib import Path; from cmx.repository import Catalog, Repository\n"
        "from cmx.settings import Settings\n"
        "home, root, name, text = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]\n"
        "for number in range(8):\n"
        "    file = root / f'{name}-{number}' / 'component.yaml'; file.parent.mkdir()\n"
        "    file.write_text(text.replace('NUMBER', f'{number}').replace('b0', f'b{number}'))\n"
        "    found = {e.name for e in Catalog([Repository.open(root)], Settings(home)).entries()}\n"
        "    assert {f'{name}-{n}' for n in range(number + 1)} <= found, (number, found)\n"
    )
    children = []
    for name in ("one", "two", "three", "four"):
        own = uid(name)[1:15]
        text = dataset(f"{name}-NUMBER").replace(uid(f"dataset/{name}-NUMBER"), f"b0{own}")
        command = [sys.executable, "-c", program, str(settings.home), str(tmp_path / "zoo"), name, text]
        children.append(subprocess.Popen(command))
    assert [child.wait() for child in children] == [0] * 4
    assert len(catalog(settings, tmp_path / "zoo").entries()) == 33


def test_a_misspelt_name_among_thousands_is_answered_in_one_line(settings: Settings, tmp_path: Path) -> None:
    for number in range(1100):
        put(tmp_path, f"n{number}", dataset(f"net-{number}"))
    found = catalog(settings, tmp_path)
    with pytest.raises(ComponentNotFound) as caught:
        found.find(Reference("dataset", "quite-another"))
    assert caught.value.hint == "'cmx find quite-another' looks for it"
    with pytest.raises(ComponentNotFound) as caught:
        found.look_up("net-10999")
    assert caught.value.hint.startswith("did you mean 'net-109")


def test_an_index_of_another_format_is_made_anew(settings: Settings, zoo: Path) -> None:
    settings.cache.mkdir(parents=True)
    with sqlite3.connect(settings.cache / "index.sqlite") as connection:
        connection.execute("create table component_1 (file, stamp)")
    connection.close()
    assert len(catalog(settings, zoo).entries()) == 5
    with sqlite3.connect(settings.cache / "index.sqlite") as connection:
        assert connection.execute("select count(*) from component").fetchone() == (5,)
    connection.close()


def test_a_cache_that_cannot_be_written_is_done_without(settings: Settings, zoo: Path) -> None:
    settings.home.mkdir(parents=True)
    settings.cache.write_text("a file where the folder should be, which stops root too")
    assert len(catalog(settings, zoo).entries()) == 5


def test_the_clock_is_waited_for_only_where_a_file_was_just_written(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    listing.settle([f"{time.time_ns() - 10**9}:1:1", "gone"])
    listing.settle([f"{time.time_ns() + 10**12}:1:1"])
    listing.settle([])
    assert waits == []
    listing.settle([f"{time.time_ns()}:1:1"])
    assert waits == [0.02]
