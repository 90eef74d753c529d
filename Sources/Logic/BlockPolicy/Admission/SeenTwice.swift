/// Lets a block in that comes by for the second time.
///
/// Most prompts never come again, and what is stored of them pushes out what would have. The policy
/// remembers tags of the keys that came by: sets of eight, in each of which the one that came by
/// longest ago gives way. Two keys with one tag (one in some 500 million) are taken for the same.
///
/// NVIDIA's KVBM has it before its disk, as a filter of frequencies with threshold 2.
public struct SeenTwice: AdmissionPolicy {
  /// Sets one after another, each from its latest tag to its earliest; 0 in an empty place.
  private var tags: [UInt32]
  private let setMask: Int

  private static let setSize = 8
  /// Keys that are remembered unless said otherwise: of blocks of 16 tokens, 16 million tokens.
  public static let capacityDefault = 1 << 20

  /// A policy that remembers some `capacity` keys, at least 1; 4 bytes for each.
  public init(capacity: Int = capacityDefault) {
    precondition(capacity > 0, "a doorkeeper remembers something")
    var setCount = 1
    while setCount * Self.setSize < capacity { setCount *= 2 }
    setMask = setCount - 1
    tags = Array(repeating: 0, count: setCount * Self.setSize)
  }

  /// Whether the key came by before, as far as is remembered. It is remembered from now on.
  ///
  /// - Complexity: O(1).
  public mutating func admits(_ candidate: AdmissionCandidate) -> Bool {
    let tag = max(1, UInt32(truncatingIfNeeded: candidate.key.low >> 32))
    let first = (Int(truncatingIfNeeded: candidate.key.low) & setMask) * Self.setSize
    let last = first + Self.setSize - 1
    var place = first
    while place < last && tags[place] != tag { place += 1 }
    let isKnown = tags[place] == tag
    while place > first {
      tags[place] = tags[place - 1]
      place -= 1
    }
    tags[first] = tag
    return isKnown
  }
}
