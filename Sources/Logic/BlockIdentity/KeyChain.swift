/// The keys of one sequence's full blocks, computed once, as its confirmed tokens arrive.
///
/// `key[i]` is the first 16 bytes of SHA-256(`key[i-1]` or the root, the block's tokens as
/// little-endian UInt32). Only full blocks have keys; the tail waits for its tokens.
public struct KeyChain: Sendable {
  /// The sequence's root: the parent of its first block.
  public let root: BlockKey
  /// Tokens in a block; the namespace's description has the same number.
  public let blockTokenCount: Int
  /// The keys of the full blocks, in order.
  public private(set) var keys: [BlockKey] = []
  private var tail: [UInt32] = []

  /// An empty sequence. `blockTokenCount` must be positive.
  public init(root: BlockKey, blockTokenCount: Int) {
    precondition(blockTokenCount > 0, "a block has tokens")
    self.root = root
    self.blockTokenCount = blockTokenCount
    tail.reserveCapacity(blockTokenCount)
  }

  /// How many tokens were appended.
  public var tokenCount: Int { keys.count * blockTokenCount + tail.count }

  /// The parent of the block at `position`, `keys.count` at most.
  public func parent(of position: Int) -> BlockKey { position == 0 ? root : keys[position - 1] }

  /// Adds confirmed tokens and the keys of the blocks that they complete.
  ///
  /// - Complexity: O(`tokens.count`), some 110 ns a block of 16 tokens.
  public mutating func append(_ tokens: UnsafeBufferPointer<UInt32>) {
    var rest = tokens[...]
    if !tail.isEmpty {
      let taken = rest.prefix(blockTokenCount - tail.count)
      tail.append(contentsOf: taken)
      rest = rest.dropFirst(taken.count)
      guard tail.count == blockTokenCount else { return }
      tail.withUnsafeBytes { addKey($0) }
      tail.removeAll(keepingCapacity: true)
    }
    while rest.count >= blockTokenCount {
      addKey(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: rest.prefix(blockTokenCount))))
      rest = rest.dropFirst(blockTokenCount)
    }
    tail.append(contentsOf: rest)
  }

  private mutating func addKey(_ tokens: UnsafeRawBufferPointer) {
    let digest = withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { parent in
      self.parent(of: keys.count).store(to: parent.baseAddress!)
      return Digest(of: UnsafeRawBufferPointer(parent), tokens)
    }
    keys.append(digest.withBytes { BlockKey(bytes: $0.baseAddress!) })
  }
}
