import CProtection
import Glibc

/// A key of 32 bytes, in a page of its own that is left out of core dumps, and overwritten when
/// the key goes.
public final class SecretKey: @unchecked Sendable {
  /// How long every key is.
  public static let byteCount = 32

  /// Names the key without telling it: equal keys have equal ids, on every machine.
  public let id: UInt32
  private let bytes: UnsafeMutableRawBufferPointer
  private static let pageBytes = 4096

  /// Copies a key's 32 bytes; nil when there is no memory for them.
  init?(bytes source: UnsafeRawBufferPointer) {
    precondition(source.count == Self.byteCount, "a key has 32 bytes")
    guard
      let page = mmap(
        nil, Self.pageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      page != MAP_FAILED
    else { return nil }
    _ = madvise(page, Self.pageBytes, MADV_DONTDUMP)
    // Without the right to lock memory it may reach the swap, as all else of the process.
    _ = mlock(page, Self.pageBytes)
    page.copyMemory(from: source.baseAddress!, byteCount: Self.byteCount)
    let copy = UnsafeMutableRawBufferPointer(start: page, count: Self.byteCount)
    bytes = copy
    id = Array("kvbm key id".utf8).withUnsafeBytes { label in
      HMAC.withTag(of: label, key: UnsafeRawBufferPointer(copy)) {
        UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self))
      }
    }
  }

  deinit {
    cprotection_forget(bytes.baseAddress, bytes.count)
    munmap(bytes.baseAddress, Self.pageBytes)
  }

  /// A new key that nobody can guess; nil when the system has no random bytes.
  public static func random() -> SecretKey? {
    withUnsafeTemporaryAllocation(byteCount: byteCount, alignment: 8) { bytes in
      defer { cprotection_forget(bytes.baseAddress, byteCount) }
      guard cprotection_random(bytes.baseAddress, byteCount) != 0 else { return nil }
      return SecretKey(bytes: UnsafeRawBufferPointer(bytes))
    }
  }

  /// Calls `body` with the key that is derived from this one for the use that `info` describes;
  /// that one is overwritten afterwards.
  ///
  /// The first 32 bytes of HKDF-Expand (RFC 5869) with SHA-256.
  func withDerived<Result>(
    _ info: UnsafeRawBufferPointer, _ body: (UnsafeRawPointer) -> Result
  ) -> Result {
    withUnsafeBytes(of: UInt8(1)) { counter in
      HMAC.withTag(of: info, counter, key: UnsafeRawBufferPointer(bytes), body)
    }
  }

  /// The key as a file of keys has it: 64 hexadecimal digits.
  public var text: String {
    let digits = Array("0123456789abcdef".utf8)
    return String(
      decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
