import BlockIdentity
import Testing

@Suite("Block identity")
struct IdentityTests {
  @Test("Keys agree with the published vectors, which another program made")
  func vectors() throws {
    let vectors = try Vectors.load()
    #expect(vectors.count >= 24)
    #expect(vectors.reduce(0) { $0 + $1.contents.count } >= 14)
    for vector in vectors {
      let namespace = vector.description.withUnsafeBytes { Namespace(description: $0) }
      #expect(namespace.digest.description == vector.namespace, "\(vector.name)")
      let root = vector.identity.root(in: namespace)
      #expect(root.description == vector.root, "\(vector.name)")
      var chain = KeyChain(root: root, blockTokenCount: vector.blockTokens)
      for content in vector.contents {
        let isAdded = chain.add(content)
        #expect(isAdded)
      }
      vector.tokens.withUnsafeBufferPointer { chain.append($0) }
      #expect(chain.keys.map(\.description) == vector.keys, "\(vector.name)")
      for (position, key) in chain.keys.enumerated() {
        let names = (0..<3).map { key.inGroup($0).description }
        #expect(names == vector.groupKeys[position], "\(vector.name)")
      }
    }
  }

  @Test("No two vectors share a root unless they are equal in all that decides it")
  func isolation() throws {
    let vectors = try Vectors.load()
    var roots: [String: Vectors.Vector] = [:]
    for vector in vectors {
      if let other = roots[vector.root] {
        #expect(other.namespace == vector.namespace && other.identity == vector.identity)
      }
      roots[vector.root] = vector
    }
    #expect(roots.count > 8)
  }

  @Test("Tokens give the same keys however they arrive", arguments: [1, 2, 3, 5, 16, 17, 100])
  func chunks(chunkCount: Int) {
    let tokens = (0..<100).map { UInt32($0 * 7919) }
    let root = SequenceIdentity().root(in: Namespace(description: .init(start: nil, count: 0)))
    var whole = KeyChain(root: root, blockTokenCount: 16)
    tokens.withUnsafeBufferPointer { whole.append($0) }
    var pieces = KeyChain(root: root, blockTokenCount: 16)
    for first in stride(from: 0, to: tokens.count, by: chunkCount) {
      let piece = Array(tokens[first..<min(first + chunkCount, tokens.count)])
      piece.withUnsafeBufferPointer { pieces.append($0) }
      #expect(pieces.tokenCount == first + piece.count)
      #expect(pieces.keys.count == pieces.tokenCount / 16)
    }
    #expect(pieces.keys == whole.keys && whole.keys.count == 6)
    #expect(whole.parent(of: 0) == root && whole.parent(of: 6) == whole.keys[5])
  }

  @Test("A key survives being written and read, and is none only when it is zero")
  func bytes() {
    let key = BlockKey(high: 0x0102_0304_0506_0708, low: 0x1112_1314_1516_1718)
    var bytes = [UInt8](repeating: 0, count: 17)
    let copy = bytes.withUnsafeMutableBytes { buffer in
      // At an odd address, as keys lie in messages.
      key.store(to: buffer.baseAddress! + 1)
      return BlockKey(bytes: buffer.baseAddress! + 1)
    }
    #expect(copy == key && key != .none)
    #expect(bytes[1] == 0x08 && bytes[9] == 0x18)
    #expect(key.description == "08070605040302011817161514131211")
    #expect(key.inGroup(0) == key && key.inGroup(1) != key && key.inGroup(1) != key.inGroup(2))
  }

  @Test("A chain of blocks without tokens traps")
  func noTokens() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = KeyChain(root: .none, blockTokenCount: 0)
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("a block has tokens"))
  }
}
