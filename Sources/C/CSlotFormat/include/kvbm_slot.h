/// The form of a block at rest: one slot, `[header][payload]`, the same in host memory and on disk.
///
/// This is version 1 of a format that outlives processes; docs/disk-format.md is its specification.
/// A slot is `header_bytes + round_up(payload_bytes, 4096)` bytes long and is written in one piece.
/// The payload is the universal layout `[kv head][layer][token][K|V]`. Integers are little-endian.
#pragma once
#include <stdint.h>

#define KVBM_SLOT_MAGIC "KVBMSLT1"
#define KVBM_SLOT_FORMAT_VERSION 1u
#define KVBM_SLOT_ALIGNMENT 4096u
/// Where the table of per-head checksums begins, in bytes from the slot's beginning.
#define KVBM_SLOT_CHECKSUMS_OFFSET 512u
#define KVBM_SLOT_LAYOUT_UNIVERSAL 1u
#define KVBM_SLOT_CHECKSUM_XXH3_64 1u
/// Values of `encryption`: the whole slot is authenticated, and all after the first 512 bytes
/// encrypted.
#define KVBM_SLOT_ENCRYPTION_AES_256_GCM 1u
/// The whole slot is authenticated, and nothing encrypted.
#define KVBM_SLOT_ENCRYPTION_AES_256_GMAC 2u

typedef struct kvbm_slot_header {
  uint8_t magic[8];
  uint32_t format_version;
  /// A multiple of 4096 that holds this struct and `head_count` checksums.
  uint32_t header_bytes;
  /// Bits that a reader must know to read the slot at all.
  uint32_t incompatible_features;
  /// Bits that a reader may ignore.
  uint32_t compatible_features;
  /// Header and payload together, a multiple of 4096.
  uint64_t slot_bytes;
  /// Exact; the rest of the slot is padding of no meaning.
  uint64_t payload_bytes;
  /// Rises with every write of the store; of two slots with one key the higher one counts.
  uint64_t write_sequence;
  uint8_t namespace_digest[32];
  uint8_t tenant_tag[16];
  /// The block's key in its sequence, before the group is folded in.
  uint8_t key[16];
  /// The key of the block before it; zero for the first.
  uint8_t parent_key[16];
  /// Of the block in its sequence, counted in blocks.
  uint32_t position;
  uint16_t group;
  /// How many ranks wrote it, and which of their parts are here (bit i: part i).
  uint16_t part_count;
  uint64_t part_map;
  uint16_t head_count;
  uint16_t layer_count;
  uint16_t block_tokens;
  /// Bytes of one element of K or V.
  uint16_t element_bytes;
  /// Bytes of one head: layers × tokens × K|V.
  uint64_t head_bytes;
  uint32_t layout;
  uint16_t codec;
  uint16_t encryption;
  /// Dynamo-compatible 64-bit hashes; zero when not computed.
  uint64_t wire_block_hash;
  uint64_t wire_sequence_hash;
  /// Nanoseconds since 1970; `expires` is 0 for never.
  int64_t created_unix_ns;
  int64_t last_used_unix_ns;
  int64_t expires_unix_ns;
  /// Higher stays longer; 0 where nothing is said.
  int32_t priority;
  uint32_t checksum_algorithm;
  /// Who made the bytes; NUL-padded UTF-8, for people and for exchange tests.
  char producer_engine[64];
  char producer_library[32];
  char producer_host[64];
  char producer_device[32];
  char producer_attention[32];
  uint8_t producer_boot_id[16];
  uint64_t producer_node;
  /// Of the key that protects the slot, and what is only known to this one protection of it; all
  /// zero where `encryption` is 0.
  uint32_t protection_key_id;
  uint8_t protection_salt[12];
  uint8_t protection_tag[16];
  /// XXH3-64 of the table of head checksums, seeded with the key's last 8 bytes; 0 where that table
  /// is encrypted.
  uint64_t root_checksum;
  /// XXH3-64 of the whole header (`header_bytes`) with this field zero.
  uint64_t header_checksum;
} kvbm_slot_header;

_Static_assert(sizeof(kvbm_slot_header) == 512, "the header's fixed part is 512 bytes");
_Static_assert(__builtin_offsetof(kvbm_slot_header, key) == 96, "key at 96");
_Static_assert(__builtin_offsetof(kvbm_slot_header, head_count) == 144, "geometry at 144");
_Static_assert(__builtin_offsetof(kvbm_slot_header, created_unix_ns) == 184, "times at 184");
_Static_assert(__builtin_offsetof(kvbm_slot_header, protection_key_id) == 464, "protection at 464");
_Static_assert(__builtin_offsetof(kvbm_slot_header, root_checksum) == 496, "checksums at 496");
