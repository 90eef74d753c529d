import CSHA256

/// A SHA-256 digest.
public struct Digest: Hashable, Sendable, BitwiseCopyable {
  /// The 32 bytes as they are in memory; no meaning as numbers.
  var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

  /// The digest of up to three byte ranges, one after the other.
  package init(
    of first: UnsafeRawBufferPointer,
    _ second: UnsafeRawBufferPointer = .init(start: nil, count: 0),
    _ third: UnsafeRawBufferPointer = .init(start: nil, count: 0)
  ) {
    withUnsafeMutableBytes(of: &words) { digest in
      csha256(
        first.baseAddress, first.count, second.baseAddress, second.count, third.baseAddress,
        third.count, digest.baseAddress)
    }
  }

  /// The digest from its 32 bytes.
  public init(bytes: UnsafeRawPointer) {
    withUnsafeMutableBytes(of: &words) { $0.baseAddress!.copyMemory(from: bytes, byteCount: 32) }
  }

  /// Calls `body` with the 32 bytes.
  public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    withUnsafeBytes(of: words) { body($0) }
  }

  /// Compares all 32 bytes; not in constant time, so not for secrets.
  public static func == (a: Digest, b: Digest) -> Bool { a.words == b.words }

  /// Takes the first eight bytes, which are as good a hash as all of them.
  public func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
}

extension Digest: CustomStringConvertible {
  /// The 32 bytes in hexadecimal.
  public var description: String { withBytes { Hexadecimal.string($0) } }
}
