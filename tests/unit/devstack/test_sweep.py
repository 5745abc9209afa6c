"""What root's stacks leave outside their own folders, and when it goes."""

import os
import tempfile
from pathlib import Path

import psutil
import pytest

from devstack.errors import DevstackError
from devstack.installations import make_directory_of_ours
from devstack.postgres import sweep


@pytest.fixture
def home_of(tmp_path):
    """Make the data folder of a stack."""

    def make(owner):
        home = tmp_path / f"data-{len(list(tmp_path.iterdir()))}"
        (home / "data").mkdir(parents=True)
        (home / "belongs-to").write_text(str(owner))
        return home

    return make


GONE = Path(tempfile.gettempdir()).resolve() / "postpay-test-gone" / "postgres"


def test_the_data_of_a_temporary_stack_that_is_gone_is_removed(home_of, tmp_path):
    home = home_of(GONE)
    sweep(tmp_path)
    assert not home.exists()


def test_the_data_of_a_stack_that_is_there_stays(home_of, tmp_path):
    home = home_of(tmp_path)
    sweep(tmp_path)
    assert home.exists()


def test_the_data_of_a_stack_in_a_place_that_may_come_back_stays(home_of, tmp_path):
    home = home_of("/media/disk/postpay/.devstack/default/postgres")
    sweep(tmp_path)
    assert home.exists()


def test_data_that_a_server_still_serves_stays(home_of, tmp_path):
    home = home_of(GONE)
    # Any running process that is called postgres would do; a link to sleep is one.
    server = tmp_path / "postgres"
    server.symlink_to("/bin/sleep")
    with psutil.Popen([server, "60"]) as process:
        (home / "data" / "postmaster.pid").write_text(f"{process.pid}\n")
        sweep(tmp_path)
        process.kill()
    assert home.exists()


def test_a_shared_folder_of_another_user_is_refused(tmp_path):
    if os.geteuid() != 0:
        folder = Path("/")
    else:
        folder = tmp_path / "shared"
        folder.mkdir()
        os.chown(folder, 65534, 65534)
    with pytest.raises(DevstackError, match="belongs to"):
        make_directory_of_ours(folder)


def test_a_link_in_the_place_of_the_shared_folder_is_refused(tmp_path):
    (tmp_path / "shared").symlink_to(tmp_path)
    with pytest.raises(DevstackError, match="belongs to"):
        make_directory_of_ours(tmp_path / "shared")
