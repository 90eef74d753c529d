import CProtection
import KVLayout

/// One AES-256-GCM computation, in pieces: `associate` first, `update` then, one of the ends last.
///
/// Its nonce is always zero: every key is used for one computation and derived for it alone. A
/// failure, of memory, shows at the end.
struct AESGCM: ~Copyable {
  private let context: OpaquePointer?
  private var isSound: Bool

  private static let nonce: [UInt8] = Array(repeating: 0, count: 12)

  /// Begins to encrypt, or to decrypt, with 32 bytes of key.
  init(key: UnsafeRawPointer, isSealing: Bool) {
    self.init(key: key, nonce: Self.nonce, isSealing: isSealing)
  }

  /// The same with 12 bytes of nonce, for test vectors.
  init(key: UnsafeRawPointer, nonce: [UInt8], isSealing: Bool) {
    precondition(nonce.count == 12, "a nonce has 12 bytes")
    context = nonce.withUnsafeBufferPointer {
      cprotection_begin(
        isSealing ? 1 : 0, key.assumingMemoryBound(to: UInt8.self), $0.baseAddress)
    }
    isSound = context != nil
  }

  deinit {
    // No end was reached.
    cprotection_abandon(context)
  }

  /// Bytes that are authenticated and stay as they are.
  mutating func associate(_ bytes: UnsafeRawPointer, _ count: Int) {
    isSound = cprotection_associate(context, bytes, count) != 0 && isSound
  }

  /// Encrypts or decrypts; `target` may be `source`.
  mutating func update(
    _ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer, _ count: Int
  ) {
    isSound = cprotection_update(context, source, target, count) != 0 && isSound
  }

  /// The tag; nil when something failed.
  consuming func seal() -> Bytes16? {
    let (context, isSound) = (context, isSound)
    discard self
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16) { tag in
      guard cprotection_seal(context, tag.baseAddress) != 0, isSound else { return nil }
      return Bytes16(bytes: UnsafeRawPointer(tag.baseAddress!))
    }
  }

  /// Whether the tag is that of the bytes.
  consuming func open(_ tag: Bytes16) -> Bool {
    let (context, isSound) = (context, isSound)
    discard self
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16) { bytes in
      tag.store(to: bytes.baseAddress!)
      return cprotection_open(context, bytes.baseAddress) != 0 && isSound
    }
  }
}
