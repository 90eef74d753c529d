/// The keys of one sequence's full blocks, computed once, as its confirmed tokens arrive.
///
/// `key[i]` is the first 16 bytes of SHA-256(`key[i-1]` or the root, the block's tokens as
/// little-endian UInt32, the contents that reach it). Only full blocks have keys; the tail waits
/// for its tokens.
public struct KeyChain: Sendable {
  /// The sequence's root: the parent of its first block.
  public let root: BlockKey
  /// Tokens in a block; the namespace's description has the same number.
  public let blockTokenCount: Int
  /// The keys of the full blocks, in order.
  public private(set) var keys: [BlockKey] = []
  private var tail: [UInt32] = []
  /// All that were added, in the order in which keys take them.
  private var contents: [BlockContent] = []
  /// So many of them end before the next block.
  private var passedCount = 0

  /// The most contents that a sequence may have.
  public static let contentCountMax = 4_096

  /// An empty sequence. `blockTokenCount` must be positive.
  public init(root: BlockKey, blockTokenCount: Int) {
    precondition(blockTokenCount > 0, "a block has tokens")
    self.root = root
    self.blockTokenCount = blockTokenCount
    tail.reserveCapacity(blockTokenCount)
  }

  /// How many tokens were appended.
  public var tokenCount: Int { keyedTokenCount + tail.count }

  /// Tokens of the full blocks: a content that begins before this would change a key.
  public var keyedTokenCount: Int { keys.count * blockTokenCount }

  /// How many contents were added.
  public var contentCount: Int { contents.count }

  /// The parent of the block at `position`, `keys.count` at most.
  public func parent(of position: Int) -> BlockKey { position == 0 ? root : keys[position - 1] }

  /// Adds what some tokens stand for, on which the keys of the blocks that it reaches depend.
  ///
  /// In any order, while no key that it would change has been computed.
  ///
  /// - Returns: False when it begins before `keyedTokenCount`, or when there are `contentCountMax`
  ///   already; nothing is added then.
  /// - Complexity: O(`contentCount`).
  public mutating func add(_ content: BlockContent) -> Bool {
    guard content.position >= keyedTokenCount, contents.count < Self.contentCountMax else {
      return false
    }
    // Most come in order, so that the search from the end is short.
    var place = contents.count
    while place > passedCount, content < contents[place - 1] { place -= 1 }
    contents.insert(content, at: place)
    return true
  }

  /// Adds confirmed tokens and the keys of the blocks that they complete.
  ///
  /// - Complexity: O(`tokens.count`), some 110 ns a block of 16 tokens; for blocks that contents
  ///   reach also O(contents that have not ended).
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
    let items = takeItems()
    let digest = withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { parent in
      self.parent(of: keys.count).store(to: parent.baseAddress!)
      return items.withUnsafeBytes { Digest(of: UnsafeRawBufferPointer(parent), tokens, $0) }
    }
    keys.append(digest.withBytes { BlockKey(bytes: $0.baseAddress!) })
  }

  /// The contents that reach the next block, as its key takes them; empty for most blocks.
  private mutating func takeItems() -> [UInt8] {
    guard passedCount < contents.count else { return [] }
    let block = keyedTokenCount..<(keyedTokenCount + blockTokenCount)
    var items: [UInt8] = []
    for content in contents[passedCount...] {
      if content.position >= block.upperBound { break }
      if content.end > block.lowerBound { content.encode(block: block, to: &items) }
    }
    while passedCount < contents.count, contents[passedCount].end <= block.upperBound {
      passedCount += 1
    }
    return items
  }
}
