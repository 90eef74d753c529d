import BlockIdentity
import BlockPolicy
import BlockPool

/// Pieces of work of a fixed size, for counting instructions and allocations instead of time.
public struct FixedWork: Sendable {
  /// What it is called on the command line and in the file of stored counts.
  public let name: String
  /// Blocks that one round handles.
  public let blocksPerRound: Int
  private let prepare: @Sendable () -> (Int) -> Void

  /// All there are.
  public static let all: [FixedWork] = [
    FixedWork(name: "five-step-leaf-first", blocksPerRound: batchSize) { cycle(.leafFirst) },
    FixedWork(name: "five-step-lru", blocksPerRound: batchSize) { cycle(.lru) },
    FixedWork(name: "five-step-forecast", blocksPerRound: batchSize) { cycle(.forecast) },
    FixedWork(name: "match-hit", blocksPerRound: 128) { match(isPresent: true) },
    FixedWork(name: "match-miss", blocksPerRound: 1) { match(isPresent: false) },
  ]

  /// Opens a pool of 16,384 blocks and fills it.
  ///
  /// - Returns: A closure that plays so many rounds.
  public func open() -> (_ roundCount: Int) -> Void { prepare() }

  private static let blockCount = 16_384

  private static func cycle(_ choice: EvictionChoice) -> (Int) -> Void {
    let subject = Box(
      PoolUnderTest(blockCount: blockCount, TierPolicy(choice, capacity: blockCount)))
    subject.value.fill()
    return { subject.value.cycle(batchCount: $0) }
  }

  private static func match(isPresent: Bool) -> (Int) -> Void {
    let subject = Box(
      PoolUnderTest(blockCount: blockCount, TierPolicy(.leafFirst, capacity: blockCount)))
    subject.value.fill()
    let keys = (0..<128).map { KeyStream.key(isPresent ? $0 : -1 - $0) }
    var blocks = [BlockID](repeating: .none, count: keys.count)
    return { match(keys, &blocks, $0, in: &subject.value.pool) }
  }

  private static func match(
    _ keys: [BlockKey], _ blocks: inout [BlockID], _ roundCount: Int,
    in pool: inout BlockPool<TierPolicy>
  ) {
    for _ in 0..<roundCount {
      var span = blocks.mutableSpan
      let count = pool.matchPrefix(keys.span, into: &span)
      try? pool.release(blocks.span.extracting(0..<count))
    }
  }
}

/// A place for what cannot be copied, so that closures and arrays can hold it.
final class Box<Value: ~Copyable> {
  var value: Value
  init(_ value: consuming Value) { self.value = value }
}
