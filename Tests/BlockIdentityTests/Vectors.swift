import BlockIdentity
import Foundation

/// The published vectors in Tests/Vectors/identity.json.
enum Vectors {
  struct Vector {
    let name: String
    let description: [UInt8]
    let identity: SequenceIdentity
    let blockTokens: Int
    let tokens: [UInt32]
    let contents: [BlockContent]
    let namespace: String
    let root: String
    let keys: [String]
    let groupKeys: [[String]]
  }

  static func load() throws -> [Vector] {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent()
    let data = try Data(contentsOf: tests.appendingPathComponent("Vectors/identity.json"))
    return try JSONDecoder().decode(File.self, from: data).vectors.map(\.vector)
  }

  private struct File: Decodable {
    let vectors: [Entry]
  }

  private struct Content: Decodable {
    let position, count: Int
    let digest: String
  }

  private struct Entry: Decodable {
    let name, description, tenant, salt, adapter, epoch: String
    let blockTokens: Int
    let tokens: [UInt32]
    let contents: [Content]?
    let namespace, root: String
    let keys: [String]
    let groupKeys: [[String]]

    enum CodingKeys: String, CodingKey {
      case name, description, tenant, salt, adapter, epoch, tokens, contents, namespace
      case root, keys
      case blockTokens = "block_tokens"
      case groupKeys = "group_keys"
    }

    var vector: Vector {
      var identity = SequenceIdentity()
      identity.tenant = bytes(tenant)
      identity.salt = bytes(salt)
      identity.adapter = bytes(adapter)
      identity.epoch = bytes(epoch)
      return Vector(
        name: name, description: bytes(description), identity: identity,
        blockTokens: blockTokens, tokens: tokens,
        contents: (contents ?? []).compactMap {
          BlockContent(position: $0.position, tokenCount: $0.count, digest: bytes($0.digest))
        }, namespace: namespace, root: root, keys: keys, groupKeys: groupKeys)
    }
  }

  private static func bytes(_ text: String) -> [UInt8] {
    let digits = Array(text.utf8)
    return stride(from: 0, to: digits.count, by: 2).compactMap {
      UInt8(String(decoding: digits[$0..<($0 + 2)], as: UTF8.self), radix: 16)
    }
  }
}
