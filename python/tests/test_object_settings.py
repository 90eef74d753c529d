"""The object store in the configuration: what is taken, passed on, and refused with which words."""

import pytest

from swift_kvbm.config import Settings, parse_settings
from swift_kvbm.node import node_command

DIRECTORY = {"url": "file:///mnt/shared/kvbm"}
BUCKET = {"url": "s3://some-bucket/kv/one"}
KEYS = {"KVBM_KEYS": "env:SOME_KEYS", "SOME_KEYS": "1f" * 32}


def test_without_a_url_there_is_none():
    assert parse_settings({}, {}).object_store is None
    assert not any("object" in part for part in node_command(Settings(), "/s"))
    assert "object" not in Settings().canonical()


def test_a_directory_with_all_its_settings_is_passed_on():
    given = {**DIRECTORY, "capacity": "1TiB", "expire_days": 30}
    settings = parse_settings({"object": given}, KEYS)
    command = node_command(settings, "/s")
    place = command.index("--object-url")
    wanted = ["--object-url", DIRECTORY["url"], "--object-capacity", str(2**40)]
    assert command[place : place + 6] == [*wanted, "--object-expire-days", "30"]
    assert settings.canonical()["object"] == DIRECTORY["url"]


def test_a_bucket_with_its_endpoint_is_passed_on_from_variables_too():
    endpoint = "https://127.0.0.1:9000"
    by_key = parse_settings({"object": {**BUCKET, "endpoint": endpoint}}, KEYS)
    variables = {"KVBM_OBJECT_URL": BUCKET["url"], "KVBM_OBJECT_ENDPOINT": endpoint}
    assert parse_settings({}, variables | KEYS) == by_key
    command = node_command(by_key, "/s")
    assert command[command.index("--object-endpoint") + 1] == endpoint


def test_objects_are_authenticated_unless_that_is_switched_off():
    with pytest.raises(ValueError, match="object.authentication = 'on' needs keys .*\"off\""):
        parse_settings({"object": DIRECTORY}, {})
    off = parse_settings({"object": {**DIRECTORY, "authentication": "off"}}, {})
    command = node_command(off, "/s")
    assert command[command.index("--object-authentication") + 1] == "off"
    assert "--keys" not in command
    on = parse_settings({"object": DIRECTORY}, KEYS)
    command = node_command(on, "/s")
    assert command[command.index("--keys") + 1] == "env:SOME_KEYS"
    assert "--object-authentication" not in command
    encrypted = parse_settings({"object": {**DIRECTORY, "encryption": "aes-256-gcm"}}, KEYS)
    command = node_command(encrypted, "/s")
    assert command[command.index("--object-encryption") + 1] == "aes-256-gcm"
    assert len({str(one.canonical()) for one in (off, on, encrypted)}) == 3
    both = {**DIRECTORY, "encryption": "aes-256-gcm", "authentication": "off"}
    for given, environment, words in (
        (both, KEYS, "must be left out beside object.encryption"),
        ({**DIRECTORY, "encryption": "aes-256-gcm"}, {}, "object.encryption.*needs keys"),
        ({**DIRECTORY, "encryption": "rot13"}, KEYS, '"none" or "aes-256-gcm"'),
        ({**DIRECTORY, "authentication": "maybe"}, KEYS, '"on" or "off"'),
    ):
        with pytest.raises(ValueError, match=words):
            parse_settings({"object": given}, environment)


def test_engines_with_different_stores_have_different_nodes():
    stores = [DIRECTORY, BUCKET, {**DIRECTORY, "expire_days": 1}]
    names = [parse_settings({"object": store}, KEYS).canonical() for store in stores]
    assert names[0] != names[1] and names[0] != names[2]


def test_nothing_is_looked_at(tmp_path):
    parse_settings({"object": {"url": f"file://{tmp_path}/not/there"}}, KEYS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"url": "gs://bucket"}, 'must be "file:///directory" or "s3://bucket/prefix"'),
        ({"url": "file://host/share"}, "file:///directory"),
        ({"url": "file:///"}, "file:///directory"),
        ({"url": "s3://Bucket"}, "s3://bucket/prefix"),
        ({"url": "s3://a..b"}, "s3://bucket/prefix"),
        ({"url": 7}, "s3://bucket/prefix"),
        ({"capacity": "1GiB"}, "needs object.url as well"),
        ({**DIRECTORY, "endpoint": "https://host"}, "belongs to a bucket"),
        ({**BUCKET, "endpoint": "host:9000"}, "https://host[:port]"),
        ({**BUCKET, "capacity": "1GiB"}, "must be left out for a bucket"),
        ({**BUCKET, "expire_days": 3}, "must be left out for a bucket"),
        ({**DIRECTORY, "capacity": 5}, "at least 1 MiB"),
        ({**DIRECTORY, "expire_days": "soon"}, "whole number from 0 to 3650"),
        ({**DIRECTORY, "bucket": "x"}, "unknown key 'object.bucket'"),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(given, words):
    with pytest.raises(ValueError) as error:
        parse_settings({"object": given}, KEYS)
    assert words in str(error.value)


def test_a_running_node_has_its_own_store():
    with pytest.raises(ValueError, match="object.url"):
        parse_settings({"node": "unix:/run/node.sock", "object": DIRECTORY}, {})
