"""Configuration: what is taken, and what is refused with which words."""

import os

import pytest

from swift_kvbm.config import Settings, check_capacities, parse_settings
from swift_kvbm.node import node_command
from swift_kvbm.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512MiB", 512 * 2**20),
        ("20GB", 20 * 10**9),
        ("1.5 GiB", 3 * 2**29),
        ("4096", 4096),
        (4096, 4096),
        ("7kb", 7000),
        ("1TiB", 2**40),
    ],
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_size("host.capacity", text) == size


@pytest.mark.parametrize("value", ["", "12XB", "-5", 0, -1, None, True, 1.5, "GiB", "9" * 30, []])
def test_bad_sizes_name_key_value_and_remedy(value):
    with pytest.raises(ValueError) as error:
        parse_size("disk.capacity", value)
    text = str(error.value)
    assert "disk.capacity" in text and repr(value) in text and "512MiB" in text


def test_sizes_are_written_readably():
    assert format_size(3 * 2**29) == "1.5 GiB"
    assert format_size(100) == "100 bytes"


def test_every_part_is_optional(tmp_path):
    assert parse_settings({}, {}) == Settings()
    settings = parse_settings(
        {
            "host": {"capacity": "64MiB"},
            "disk": {"path": str(tmp_path / "new"), "capacity": "1GiB"},
            "weights_id": "w1",
            "copy_threads": 3,
            "record": str(tmp_path / "trace.gz"),
            "record_limit": "2GB",
        },
        {},
    )
    record = (str(tmp_path / "trace.gz"), 2 * 10**9)
    assert settings == Settings(64 * 2**20, str(tmp_path / "new"), 2**30, None, "w1", 3, *record)
    assert os.stat(tmp_path / "new").st_mode & 0o777 == 0o700


def test_what_leaves_a_full_tier_is_passed_on(tmp_path):
    disk = {"path": str(tmp_path), "capacity": "1GiB", "eviction": "lru"}
    settings = parse_settings({"disk": disk}, {"KVBM_HOST_EVICTION": "forecast"})
    command = node_command(settings, "/run/node.sock")
    assert command[command.index("--host-eviction") + 1] == "forecast"
    assert command[command.index("--disk-eviction") + 1] == "lru"
    # Another node than with other policies; and without any, the node's own are left to it.
    assert settings.canonical() != parse_settings({"disk": disk}, {}).canonical()
    assert not any("eviction" in word for word in node_command(Settings(), "/run/node.sock"))


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"host": {"eviction": "mru"}}, ["host.eviction", "'mru'", '"leaf-first"', '"forecast"']),
        ({"disk": {"eviction": "lru"}}, ["disk.eviction", "disk.path"]),
        ({"node": "unix:/n", "host": {"eviction": "lru"}}, ["host.eviction", "own settings"]),
    ],
)
def test_a_wrong_eviction_is_refused(extra, words):
    with pytest.raises(ValueError) as error:
        parse_settings(extra, {})
    assert all(word in str(error.value) for word in words)


def test_the_host_tier_may_be_left_to_the_node(tmp_path):
    settings = parse_settings({"host": {"capacity": "auto"}}, {})
    assert settings.host_capacity_bytes is None
    assert parse_settings({}, {"KVBM_HOST_CAPACITY": "auto"}) == settings
    command = node_command(settings, "/run/node.sock")
    assert command[command.index("--host-capacity") + 1] == "auto"
    # A restarted engine finds its node, whatever is free by then; another size is another node.
    assert settings.canonical() == parse_settings({"host": {"capacity": "auto"}}, {}).canonical()
    assert settings.canonical() != Settings().canonical()
    check_capacities(settings, 2**50)
    disk = {"path": str(tmp_path), "capacity": "1MiB"}
    small = parse_settings({"host": {"capacity": "auto"}, "disk": disk}, {})
    with pytest.raises(ValueError, match="disk.capacity"):
        check_capacities(small, 2**20)


def test_variables_are_understood_and_json_wins(tmp_path):
    environment = {
        "KVBM_HOST_CAPACITY": "1GiB",
        "KVBM_DISK_PATH": str(tmp_path),
        "KVBM_DISK_CAPACITY": "2GiB",
    }
    assert parse_settings({}, environment).host_capacity_bytes == 2**30
    assert parse_settings({}, environment).disk_capacity_bytes == 2**31
    settings = parse_settings({"host": {"capacity": "2GiB"}}, environment)
    assert settings.host_capacity_bytes == 2**31


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"hots": {"capacity": "1GiB"}}, ("'hots'", "'host'")),
        ({"host": {"capcity": "1GiB"}}, ("'host.capcity'", "'host.capacity'")),
        ({"host": "1GiB"}, ("host", "'1GiB'", "object")),
        ({"host": {"capacity": "lots"}}, ("host.capacity", "'lots'", "20GB")),
        ({"host": {"capacity": "AUTO"}}, ("host.capacity", "'AUTO'", '"auto"')),
        ({"disk": {"path": "/tmp", "capacity": "auto"}}, ("disk.capacity", "'auto'", "20GB")),
        ({"disk": {"path": "/tmp"}}, ("disk.path", "disk.capacity")),
        ({"disk": {"capacity": "1GiB"}}, ("disk.capacity", "disk.path")),
        (
            {"disk": {"path": "/proc/x", "capacity": "1GiB"}},
            ("disk.path", "'/proc/x'", "write"),
        ),
        ({"node": "tcp:host"}, ("node", "'tcp:host'", "unix:")),
        ({"node": "unix:/a", "host": {"capacity": "1GiB"}}, ("node", "host.capacity")),
        ({"node": "unix:/a", "host": {"admission": "all"}}, ("node", "host.admission")),
        ({"host": {"admission": "twice"}}, ("host.admission", "'twice'", '"seen-twice"')),
        ({"host": {"admission": "priority:0"}}, ("host.admission", "'priority:0'", "1 to 100")),
        ({"host": {"admission": "priority:101"}}, ("host.admission", "1 to 100")),
        ({"host": {"admission": 60}}, ("host.admission", "60", '"priority:N"')),
        ({"disk": {"admission": "all"}}, ("disk.admission", "disk.path")),
        (
            {"disk": {"path": "/tmp", "capacity": "1GiB", "write_budget": "1MiB"}},
            ("disk.write_budget", "'1MiB'", "1 GiB a day"),
        ),
        ({"weights_id": 5}, ("weights_id", "5")),
        ({"record": "/nowhere/trace"}, ("record", "'/nowhere/trace'", "directory", "write")),
        ({"record": "/tmp"}, ("record", "'/tmp'", "file")),
        ({"record_limit": "1GiB"}, ("record_limit", "needs record")),
        ({"record": "/tmp/trace", "record_limit": "lots"}, ("record_limit", "'lots'", "20GB")),
        ({"copy_threads": -1}, ("copy_threads", "-1", "0 to 64")),
        ({"copy_threads": "many"}, ("copy_threads", "'many'")),
    ],
)
def test_wrong_configuration_is_refused_by_name(extra, words):
    with pytest.raises(ValueError) as error:
        parse_settings(extra, {})
    for word in words:
        assert word in str(error.value)


def test_what_comes_into_a_tier_is_a_setting_of_its_node(tmp_path):
    disk = {"path": str(tmp_path), "capacity": "1GiB"}
    plain = parse_settings({"disk": disk}, {})
    limits = {"admission": "seen-twice", "write_budget": "500GiB", "driver": "threads"}
    limits["flush"] = "each"
    limited = parse_settings({"disk": {**disk, **limits}}, {})
    assert limited.disk_write_budget_bytes == 500 * 2**30
    assert limited.canonical() != plain.canonical()
    valued = parse_settings({"host": {"admission": "priority:100"}}, {})
    assert valued.host_admission == "priority:100"
    command = node_command(valued, "/run/node.sock")
    assert command[command.index("--host-admission") + 1] == "priority:100"
    environment = {"KVBM_DISK_ADMISSION": "seen-twice", "KVBM_DISK_WRITE_BUDGET": "500GiB"}
    environment["KVBM_DISK_DRIVER"] = "threads"
    environment["KVBM_DISK_FLUSH"] = "each"
    assert parse_settings({"disk": disk}, environment) == limited
    # A key wins, also with what is the default.
    limits = {"admission": "all", "write_budget": 0, "driver": "auto", "flush": "never"}
    assert parse_settings({"disk": {**disk, **limits}}, environment) == plain
    command = node_command(plain, "/run/node.sock")
    assert command[command.index("--disk-admission") + 1] == "all"
    assert command[command.index("--disk-write-budget") + 1] == "0"
    assert command[command.index("--disk-driver") + 1] == "auto"
    assert command[command.index("--disk-flush") + 1] == "never"
    with pytest.raises(ValueError, match='disk.driver.*"auto", "io_uring" or "threads"'):
        parse_settings({"disk": {**disk, "driver": "uring"}}, {})
    with pytest.raises(ValueError, match='disk.flush.*"never" or "each"'):
        parse_settings({"disk": {**disk, "flush": "always"}}, {})


def test_blocks_on_disk_are_encrypted_with_keys_of_a_file_or_a_variable(tmp_path, monkeypatch):
    disk = {"path": str(tmp_path), "capacity": "1GiB", "encryption": "aes-256-gcm"}
    plain = parse_settings({"disk": {**disk, "encryption": "none"}}, {})
    file = tmp_path / "keys"
    file.write_text("ab" * 32)
    extra = {"disk": disk, "keys": str(file)}
    encrypted = parse_settings(extra, {})
    assert encrypted.canonical() != plain.canonical()
    command = node_command(encrypted, "/run/node.sock")
    assert command[command.index("--disk-encryption") + 1] == "aes-256-gcm"
    assert command[command.index("--keys") + 1] == str(file)
    assert "--keys" not in node_command(plain, "/run/node.sock")
    # A node is started elsewhere than here.
    monkeypatch.chdir(tmp_path)
    assert parse_settings({**extra, "keys": "keys"}, {}) == encrypted
    del disk["encryption"]
    environment = {"KVBM_DISK_ENCRYPTION": "aes-256-gcm", "KVBM_KEYS": str(file)}
    assert parse_settings({"disk": disk}, environment) == encrypted
    environment = {"KVBM_DISK_ENCRYPTION": "aes-256-gcm", "KVBM_KEYS": "env:SECRET"}
    with pytest.raises(ValueError, match="keys = 'env:SECRET' names a variable that is not set"):
        parse_settings({"disk": disk}, environment)
    environment["SECRET"] = "ab" * 32
    assert parse_settings({"disk": disk}, environment).keys == "env:SECRET"
    with pytest.raises(ValueError, match="disk.encryption = 'aes-256-gcm' needs keys as well"):
        parse_settings({"disk": {**disk, "encryption": "aes-256-gcm"}}, {})
    with pytest.raises(ValueError, match='disk.encryption.*"none" or "aes-256-gcm"'):
        parse_settings({"disk": {**disk, "encryption": "rot13"}, "keys": str(file)}, {})
    with pytest.raises(ValueError, match="keys = '/nowhere' must be a file"):
        parse_settings({"disk": disk, "keys": "/nowhere"}, {})
    with pytest.raises(ValueError, match="keys = .* cannot be given together with node"):
        parse_settings({"node": "unix:/a", "keys": str(file)}, {})


def test_a_mistyped_variable_is_refused_and_a_foreign_one_is_not():
    with pytest.raises(ValueError, match="KVBM_HOST_CAPACITY"):
        parse_settings({}, {"KVBM_HOST_CAP" + "CITY": "1GiB"})
    # What Kubernetes sets for a service named "kvbm".
    assert parse_settings({}, {"KVBM_PORT_8080_TCP": "tcp://10.0.0.1"}) == Settings()
    assert parse_settings({}, {"KVBM_TEST_COPY_DELAY_US": "5"}) == Settings()


def test_a_tier_of_less_than_a_few_blocks_is_refused():
    with pytest.raises(ValueError) as error:
        check_capacities(Settings(host_capacity_bytes=100_000), 65536)
    for word in ("host.capacity", "97.66 KiB", "64 KiB", "256 KiB"):
        assert word in str(error.value)
    with pytest.raises(ValueError, match="disk.capacity"):
        check_capacities(Settings(disk_path="/d", disk_capacity_bytes=1), 65536)
    check_capacities(Settings(host_capacity_bytes=4 * 65536), 65536)
    check_capacities(Settings(host_capacity_bytes=1, node_socket="/a"), 65536)


def test_whether_to_load_is_a_choice_of_the_node():
    assert parse_settings({}, {}).load == "always"
    measured = parse_settings({}, {"KVBM_LOAD": "measured"})
    assert measured.load == "measured" and "measured" in node_command(measured, "/run/node.sock")
    assert measured.canonical() != parse_settings({}, {}).canonical()
    with pytest.raises(ValueError, match='load = \'fast\' must be "always" or "measured"'):
        parse_settings({"load": "fast"}, {})
    with pytest.raises(ValueError, match="own settings"):
        parse_settings({"node": "unix:/n", "load": "always"}, {})
