import BlockIdentity
import Testing

/// Contents that tokens stand for: what they change, and what they leave.
@Suite("Block content")
struct ContentTests {
  private static let cat = Array("cat".utf8)
  private static let dog = Array("dog".utf8)
  private let blockTokens = 4

  /// One item, as a test writes it.
  private typealias Item = (position: Int, count: Int, digest: [UInt8])

  /// Keys of forty equal tokens with some contents.
  private func keys(_ items: [Item], tokens: [UInt32]? = nil) throws -> [BlockKey] {
    var chain = KeyChain(root: BlockKey(high: 1, low: 2), blockTokenCount: blockTokens)
    for (position, count, digest) in items { try add(position, count, digest, &chain) }
    (tokens ?? Array(repeating: 9, count: 40)).withUnsafeBufferPointer { chain.append($0) }
    return chain.keys
  }

  private func add(
    _ position: Int, _ count: Int, _ digest: [UInt8], _ chain: inout KeyChain
  ) throws {
    let content = BlockContent(position: position, tokenCount: count, digest: digest)
    let isAdded = chain.add(try #require(content))
    #expect(isAdded)
  }

  /// How many keys from the first on are equal; behind them none may be.
  private func commonCount(_ first: [Item], _ second: [Item]) throws -> Int {
    let (one, other) = (try keys(first), try keys(second))
    let common = zip(one, other).prefix { $0 == $1 }.count
    #expect(Set(one[common...]).isDisjoint(with: other[common...]))
    return common
  }

  private let image: Item = (10, 12, cat)

  @Test("Another, a missing, a shifted, a longer or a split image changes every key from there on")
  func images() throws {
    // Tokens 10..<22 lie in blocks 2 to 5.
    #expect(try commonCount([image], [image]) == 10)
    #expect(try commonCount([image], []) == 2)
    #expect(try commonCount([image], [(10, 12, Self.dog)]) == 2)
    #expect(try commonCount([image], [(11, 12, Self.cat)]) == 2)
    #expect(try commonCount([image], [(10, 6, Self.cat), (16, 6, Self.cat)]) == 4)
    #expect(try commonCount([image], [(10, 6, Self.cat), (16, 6, Self.dog)]) == 4)
    // The same up to its end, which only the last block that it reaches can tell.
    #expect(try commonCount([image], [(10, 13, Self.cat)]) == 5)
    #expect(try commonCount([image], [image, (30, 1, Self.dog)]) == 7)
  }

  @Test("Two images that change places change the keys, though their places stay")
  func swapped() throws {
    let first: [Item] = [(2, 4, Self.cat), (20, 4, Self.dog)]
    let second: [Item] = [(2, 4, Self.dog), (20, 4, Self.cat)]
    #expect(try commonCount(first, second) == 0)
  }

  @Test("The part of an image that a block has is told from another part of it")
  func parts() throws {
    // Blocks 1 and 2 are four tokens of one image each, and equal but for which four.
    var chains: [[BlockKey]] = []
    for position in [4, 0] {
      var chain = KeyChain(root: BlockKey(high: 1, low: 2), blockTokenCount: blockTokens)
      try add(position, 12, Self.cat, &chain)
      Array(repeating: UInt32(9), count: 8).withUnsafeBufferPointer { chain.append($0) }
      chains.append(chain.keys)
    }
    #expect(Set(chains[0]).isDisjoint(with: chains[1]))
  }

  @Test("The order in which contents are said means nothing")
  func order() throws {
    let items: [Item] = [
      (3, 9, Self.dog), (3, 9, Self.cat), (3, 2, Self.dog), (17, 1, Self.cat), (0, 40, Self.dog),
    ]
    let expected = try keys(items)
    for shift in 1..<items.count {
      #expect(try keys(Array(items[shift...] + items[..<shift])) == expected)
    }
  }

  @Test("Digests that would run together are told apart")
  func lengths() throws {
    let one: [Item] = [(0, 1, [1, 2]), (0, 1, [3])]
    let other: [Item] = [(0, 1, [1]), (0, 1, [2, 3])]
    #expect(try commonCount(one, other) == 0)
  }

  @Test("Contents can be said while tokens come, until a block that they reach is full")
  func late() throws {
    let whole = try keys([(10, 12, Self.cat), (23, 3, Self.dog)])
    var chain = KeyChain(root: BlockKey(high: 1, low: 2), blockTokenCount: blockTokens)
    let late = try #require(BlockContent(position: 10, tokenCount: 12, digest: Self.cat))
    for count in 1...40 {
      [UInt32(9)].withUnsafeBufferPointer { chain.append($0) }
      // Token 10 is there already, but its block is not full.
      if count == 11 { try add(10, 12, Self.cat, &chain) }
      if count == 12 {
        let isAdded = chain.add(late)
        #expect(!isAdded)
        try add(23, 3, Self.dog, &chain)
      }
    }
    #expect(chain.keys == whole)
    #expect(chain.contentCount == 2)
  }

  @Test("There is an end to how many contents a sequence takes")
  func limit() throws {
    var chain = KeyChain(root: .none, blockTokenCount: blockTokens)
    for position in 0..<KeyChain.contentCountMax {
      try add(position, 1, Self.cat, &chain)
    }
    let more = try #require(BlockContent(position: 0, tokenCount: 1, digest: Self.dog))
    let isAdded = chain.add(more)
    #expect(!isAdded)
  }

  @Test("What cannot be a content is none")
  func invalid() {
    #expect(BlockContent(position: -1, tokenCount: 1, digest: [1]) == nil)
    #expect(BlockContent(position: 0, tokenCount: 0, digest: [1]) == nil)
    #expect(BlockContent(position: 0, tokenCount: 1, digest: []) == nil)
    let longest = [UInt8](repeating: 1, count: BlockContent.digestBytesMax)
    #expect(BlockContent(position: 0, tokenCount: 1, digest: longest + [1]) == nil)
    #expect(BlockContent(position: Int(Int32.max), tokenCount: 1, digest: [1]) == nil)
    #expect(BlockContent(position: 7, tokenCount: 1, digest: longest) != nil)
  }
}
