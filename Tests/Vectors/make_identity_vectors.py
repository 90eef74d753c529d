#!/usr/bin/env python3
"""Writes identity.json: test vectors of the identity scheme, made with hashlib alone.

An independent second implementation of docs/identity.md; the Swift tests must agree with it.
"""

import hashlib
import json
import pathlib
import random
import struct

NAMESPACE_TAG = b"kvbm.namespace.v1\0"
ROOT_TAG = b"kvbm.root.v1\0"
GROUP_STEP = 0x9E3779B97F4A7C15


def namespace_digest(description: bytes) -> bytes:
    return hashlib.sha256(NAMESPACE_TAG + description).digest()


def root(namespace: bytes, tenant: bytes, salt: bytes, adapter: bytes, epoch: bytes) -> bytes:
    fields = b"".join(struct.pack("<I", len(f)) + f for f in (tenant, salt, adapter, epoch))
    return hashlib.sha256(ROOT_TAG + namespace + fields).digest()[:16]


def items(contents: list[tuple[int, int, bytes]], first: int, end: int) -> bytes:
    """What the key of tokens [first, end) takes of the contents that reach them."""
    taken = b""
    for position, count, digest in sorted(contents):
        begin, stop = max(position, first), min(position + count, end)
        if begin < stop:
            part = struct.pack("<IIII", begin - first, begin - position, stop - begin, len(digest))
            taken += part + digest
    return taken


def keys(
    parent: bytes, tokens: list[int], block_tokens: int, contents: list[tuple[int, int, bytes]]
) -> list[bytes]:
    chain = []
    for first in range(0, len(tokens) - block_tokens + 1, block_tokens):
        end = first + block_tokens
        block = struct.pack(f"<{block_tokens}I", *tokens[first:end])
        parent = hashlib.sha256(parent + block + items(contents, first, end)).digest()[:16]
        chain.append(parent)
    return chain


def in_group(key: bytes, group: int) -> bytes:
    high, low = struct.unpack("<QQ", key)
    return struct.pack("<QQ", high, low ^ (group * GROUP_STEP & (1 << 64) - 1))


def vector(name, description, identity, block_tokens, tokens, contents=()):
    fields = {field: identity.get(field, b"") for field in ("tenant", "salt", "adapter", "epoch")}
    namespace = namespace_digest(description)
    first = root(namespace, **fields)
    chain = keys(first, tokens, block_tokens, list(contents))
    told = [
        {"position": position, "count": count, "digest": digest.hex()}
        for position, count, digest in contents
    ]
    return {
        "name": name,
        "description": description.hex(),
        **{field: value.hex() for field, value in fields.items()},
        "block_tokens": block_tokens,
        "tokens": tokens,
        # Absent where there are none.
        **({"contents": told} if told else {}),
        "namespace": namespace.hex(),
        "root": first.hex(),
        "keys": [key.hex() for key in chain],
        "group_keys": [[in_group(key, group).hex() for group in range(3)] for key in chain],
    }


def main() -> None:
    model = b'{"model":"example","dtype":"bfloat16"}'
    dice = random.Random(1)
    vectors = [
        vector("one block", model, {}, 4, [1, 2, 3, 4]),
        vector("a chain, with a tail that has no key", model, {}, 4, list(range(10))),
        vector("a cache salt", model, {"salt": b"pepper"}, 4, [1, 2, 3, 4]),
        vector("a tenant with the same bytes", model, {"tenant": b"pepper"}, 4, [1, 2, 3, 4]),
        vector("an adapter", model, {"adapter": bytes(range(32))}, 4, [1, 2, 3, 4]),
        vector("an epoch", model, {"epoch": b"\0" * 16}, 4, [1, 2, 3, 4]),
        vector("fields that would run together", model, {"tenant": b"a", "salt": b"bc"}, 1, [7]),
        vector(
            "fields that run together elsewhere", model, {"tenant": b"ab", "salt": b"c"}, 1, [7]
        ),
        vector("another namespace", b"", {}, 4, [1, 2, 3, 4]),
        vector("no full block", model, {}, 16, [1, 2, 3]),
        vector("the largest tokens", model, {}, 2, [0xFFFFFFFF, 0, 0xFFFFFFFF, 0x80000000]),
    ]
    for number, block_tokens in enumerate((1, 16, 64)):
        description = dice.randbytes(100 * number + 1)
        identity = {name: dice.randbytes(dice.randrange(80)) for name in ("tenant", "salt")}
        tokens = [dice.randrange(200_000) for _ in range(5 * block_tokens + number)]
        vectors.append(
            vector(f"at random, {block_tokens}", description, identity, block_tokens, tokens)
        )
    cat, dog = b"cat", bytes(range(32))
    image = [1, 9, 9, 9, 9, 2, 9, 9, 9, 9, 3, 4, 5]
    for name, contents in (
        ("an image over two blocks", [(1, 4, cat)]),
        ("two images", [(1, 4, cat), (6, 4, dog)]),
        ("two images, said in the other order", [(6, 4, dog), (1, 4, cat)]),
        ("two images, swapped", [(1, 4, dog), (6, 4, cat)]),
        ("the same tokens without their images", []),
        ("an image one token further on", [(2, 4, cat)]),
        ("an image that begins where another ends, in one block", [(0, 2, cat), (2, 2, dog)]),
        ("contents that overlap", [(0, 12, dog), (3, 2, cat), (3, 2, dog)]),
        ("a content of the tail alone", [(12, 1, cat)]),
        ("the longest digest", [(4, 1, bytes(64))]),
    ):
        vectors.append(vector(name, model, {}, 4, image, contents))
    path = pathlib.Path(__file__).with_name("identity.json")
    path.write_text(json.dumps({"scheme": 1, "vectors": vectors}, indent=1) + "\n")


if __name__ == "__main__":
    main()
