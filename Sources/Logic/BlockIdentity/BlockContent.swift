/// What tokens stand for when their ids do not tell it: an image, or prompt embeddings.
public struct BlockContent: Hashable, Sendable {
  /// Its first token in the sequence, counted from 0.
  public let position: Int
  /// How many tokens stand for it, 1 at least.
  public let tokenCount: Int
  /// The digest of the content, 1 to `digestBytesMax` bytes.
  public let digest: [UInt8]

  /// The most bytes that a digest may have.
  public static let digestBytesMax = 64

  /// A content of so many tokens; nil where a number is out of its range.
  public init?(position: Int, tokenCount: Int, digest: [UInt8]) {
    guard position >= 0, tokenCount > 0, position <= Int(Int32.max) - tokenCount,
      (1...Self.digestBytesMax).contains(digest.count)
    else { return nil }
    self.position = position
    self.tokenCount = tokenCount
    self.digest = digest
  }

  /// The token behind its last one.
  var end: Int { position + tokenCount }

  /// Appends what a block's key takes of it: where it lies in the block, which part of it the block
  /// has, and its digest.
  func encode(block: Range<Int>, to bytes: inout [UInt8]) {
    let part = max(position, block.lowerBound)..<min(end, block.upperBound)
    let numbers = [
      part.lowerBound - block.lowerBound, part.lowerBound - position, part.count, digest.count,
    ]
    for number in numbers {
      withUnsafeBytes(of: UInt32(number).littleEndian) { bytes.append(contentsOf: $0) }
    }
    bytes.append(contentsOf: digest)
  }
}

extension BlockContent: Comparable {
  /// The order in which a key takes them: by position, length and digest.
  public static func < (a: BlockContent, b: BlockContent) -> Bool {
    if a.position != b.position { return a.position < b.position }
    if a.tokenCount != b.tokenCount { return a.tokenCount < b.tokenCount }
    return a.digest.lexicographicallyPrecedes(b.digest)
  }
}
