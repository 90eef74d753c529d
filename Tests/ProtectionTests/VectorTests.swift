import Testing

@testable import KVLayout
@testable import Protection

@Suite("Protection: published test vectors")
struct VectorTests {
  /// Key, nonce, plain, associated, sealed, tag: cases 13 to 16 of the GCM specification's annex B.
  static let gcm: [(String, String, String, String, String, String)] = [
    (
      zeroKey, zeroNonce, "", "", "",
      "530f8afbc74536b9a963b4f1c4cb738b"
    ),
    (
      zeroKey, zeroNonce, "00000000000000000000000000000000", "",
      "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"
    ),
    (
      key, nonce, plain + "1aafd255", "",
      sealed + "898015ad", "b094dac5d93471bdec1a502270e3cc6c"
    ),
    (
      key, nonce, plain, "feedfacedeadbeeffeedfacedeadbeefabaddad2", sealed,
      "76fc6ece0f4e1768cddf8853bb2d551b"
    ),
  ]
  static let zeroKey = String(repeating: "0", count: 64)
  static let zeroNonce = String(repeating: "0", count: 24)
  static let key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
  static let nonce = "cafebabefacedbaddecaf888"
  static let plain = """
    d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
    1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39
    """
  static let sealed = """
    522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa
    8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662
    """

  @Test("AES-256-GCM, in pieces of any length", arguments: 0..<4, [1, 7, 16, 1_000])
  func gcm(case index: Int, piece: Int) throws {
    let (key, nonce, plain, associated, sealed, tag) = Self.gcm[index]
    let tagBytes = bytes(tag)
    let wanted = tagBytes.withUnsafeBytes { Bytes16(bytes: $0.baseAddress!) }
    var text = bytes(plain)
    #expect(run(key, nonce, associated, &text, piece, isSealing: true) { $0.seal() } == wanted)
    #expect(text == bytes(sealed))
    #expect(run(key, nonce, associated, &text, piece, isSealing: false) { $0.open(wanted) })
    #expect(text == bytes(plain))
    text = bytes(sealed)
    var other = wanted
    other.last ^= 1 << 63
    #expect(!run(key, nonce, associated, &text, piece, isSealing: false) { $0.open(other) })
  }

  private func run<Result>(
    _ key: String, _ nonce: String, _ associated: String, _ text: inout [UInt8], _ piece: Int,
    isSealing: Bool, _ end: (consuming AESGCM) -> Result
  ) -> Result {
    bytes(key).withUnsafeBytes { key in
      var gcm = AESGCM(key: key.baseAddress!, nonce: bytes(nonce), isSealing: isSealing)
      for part in bytes(associated).pieces(piece) {
        part.withUnsafeBytes { gcm.associate($0.baseAddress!, $0.count) }
      }
      text.withUnsafeMutableBytes { text in
        for first in stride(from: 0, to: text.count, by: piece) {
          let count = min(piece, text.count - first)
          gcm.update(text.baseAddress! + first, text.baseAddress! + first, count)
        }
      }
      return end(gcm)
    }
  }

  @Test("HMAC-SHA256 (RFC 4231)")
  func hmac() {
    let cases: [([UInt8], [UInt8], String)] = [
      (
        Array(repeating: 0x0B, count: 20), Array("Hi There".utf8),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
      ),
      (
        Array("Jefe".utf8), Array("what do ya want for nothing?".utf8),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
      ),
    ]
    for (key, text, tag) in cases {
      for split in [0, 3, text.count] {
        let found = key.withUnsafeBytes { key in
          text.withUnsafeBytes { text in
            HMAC.withTag(
              of: UnsafeRawBufferPointer(rebasing: text[..<split]),
              UnsafeRawBufferPointer(rebasing: text[split...]), key: key
            ) { Array(UnsafeRawBufferPointer(start: $0, count: 32)) }
          }
        }
        #expect(found == bytes(tag))
      }
    }
  }

  @Test("HKDF-Expand with SHA-256 (RFC 5869, case 1)")
  func expand() throws {
    let text = "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"
    let key = try #require(bytes(text).withUnsafeBytes { SecretKey(bytes: $0) })
    let derived = bytes("f0f1f2f3f4f5f6f7f8f9").withUnsafeBytes { info in
      key.withDerived(info) { Array(UnsafeRawBufferPointer(start: $0, count: 32)) }
    }
    #expect(
      derived == bytes("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"))
    #expect(key.text == text)
  }
}

extension [UInt8] {
  fileprivate func pieces(_ count: Int) -> [[UInt8]] {
    stride(from: 0, to: self.count, by: count).map { first in
      Array(self[first..<Swift.min(first + count, self.count)])
    }
  }
}
