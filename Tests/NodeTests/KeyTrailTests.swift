import BlockIdentity
import Testing

@testable import KVBMNode

@Suite("Trail of keys")
struct KeyTrailTests {
  private func key(_ position: Int) -> BlockKey { BlockKey(high: UInt64(position) + 1, low: 0) }

  @Test("However long a sequence is, few keys of it are kept, spread over it, the last with them")
  func bounded() {
    var trail = KeyTrail()
    #expect(trail.keys.isEmpty)
    trail.note((0..<3).map(key), from: 0)
    #expect(trail.keys == [2, 2, 1, 0].map(key))
    for first in stride(from: 3, to: 10_000, by: 7) {
      trail.note((first..<first + 7).map(key), from: first)
      // Seen before: passed over.
      trail.note((0..<3).map(key), from: 0)
    }
    let last = 3 + (10_000 - 4) / 7 * 7 + 6
    #expect(trail.keys.first == key(last) && trail.keys.last == key(0))
    #expect(trail.keys.count <= 65 + 1 && trail.keys.count > 30)
  }
}
