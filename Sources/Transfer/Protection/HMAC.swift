import CProtection
import CSHA256

/// HMAC-SHA256 (RFC 2104).
enum HMAC {
  /// Bytes of a tag.
  static let byteCount = 32
  private static let padBytes = 64

  /// Calls `body` with the tag of one or two ranges, one after the other; it is overwritten after
  /// that.
  ///
  /// - Parameter key: at most 64 bytes: a longer one would have to be hashed first.
  static func withTag<Result>(
    of first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer = empty,
    key: UnsafeRawBufferPointer, _ body: (UnsafeRawPointer) -> Result
  ) -> Result {
    precondition(key.count <= padBytes, "a key of \(key.count) bytes")
    let count = padBytes + 2 * byteCount
    return withUnsafeTemporaryAllocation(byteCount: count, alignment: 8) { memory in
      defer { cprotection_forget(memory.baseAddress, count) }
      let pad = UnsafeMutableRawBufferPointer(rebasing: memory[..<padBytes])
      let (digest, tag) = (memory.baseAddress! + padBytes, memory.baseAddress! + padBytes + 32)
      mask(pad, key, 0x36)
      csha256(
        pad.baseAddress, padBytes, first.baseAddress, first.count, second.baseAddress,
        second.count, digest)
      mask(pad, key, 0x5C)
      csha256(pad.baseAddress, padBytes, digest, byteCount, nil, 0, tag)
      return body(tag)
    }
  }

  /// A range without bytes.
  static var empty: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }

  private static func mask(
    _ pad: UnsafeMutableRawBufferPointer, _ key: UnsafeRawBufferPointer, _ byte: UInt8
  ) {
    pad.initializeMemory(as: UInt8.self, repeating: byte)
    for index in key.indices { pad[index] ^= key[index] }
  }
}
