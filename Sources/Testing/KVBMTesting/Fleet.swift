import BlockEngine
import BlockPolicy

/// A whole game: several nodes that share an object store, or one node without, as the seed says.
///
/// Each step is one node's, with a clock of its own; what they share is the store. When one has
/// brought back a prompt from there while nothing went wrong, another one has to find it as well.
public struct Fleet: ~Copyable {
  /// How many steps were played.
  public private(set) var step: Int
  /// What happened, in order, where the plan asks for it.
  public private(set) var story: [String] = []

  private let nodes: [Node]
  private let shelf: Shelf?

  /// A node in a place of its own, since it cannot be copied.
  private final class Node {
    var simulation: Simulation
    init(_ simulation: consuming Simulation) { self.simulation = simulation }
  }

  /// A new world; equal seeds, bugs and plans make equal ones.
  public init(seed: UInt64, bug: PlantedBug? = nil, plan: Plan = Plan()) {
    step = plan.firstStep - 1
    let count = [1, 2, 2, 3][Int(seed % 4)]
    let shelf = count > 1 ? Shelf() : nil
    self.shelf = shelf
    nodes = (0..<count).map { number in
      Node(
        Simulation(
          seed: seed ^ Random.mix(UInt64(number)) &* (number > 0 ? 1 : 0), bug: bug, plan: plan,
          shelf: shelf))
    }
  }

  /// How many nodes there are; more than one have an object store.
  public var nodeCount: Int { nodes.count }

  /// Plays so many steps.
  ///
  /// - Throws: The first broken invariant; `step` is where. The game is over then.
  public mutating func run(stepCount: Int) throws(BrokenInvariant) {
    for _ in 0..<stepCount {
      step += 1
      let number = step % nodes.count
      do throws(BrokenInvariant) {
        try nodes[number].simulation.play(step)
        gatherStory(number)
        if let proof = shelf?.proof {
          shelf?.proof = nil
          let other = (number + 1) % nodes.count
          defer { gatherStory(other) }
          try nodes[other].simulation.find(proof, at: step)
        }
      } catch {
        gatherStory(number)
        throw error
      }
    }
  }

  private mutating func gatherStory(_ number: Int) {
    let lines = nodes[number].simulation.takeStory()
    story += nodeCount == 1 ? lines : lines.map { "node \(number + 1), \($0)" }
  }

  /// A digest of all that happened, to compare two runs.
  public var trace: UInt64 {
    nodes.reduce(0) { Random.mix($0 ^ $1.simulation.trace) }
  }

  /// What there was to see, in all nodes, so that a run which saw nothing does not count as clean.
  public var tally: Tally {
    var sum = Tally()
    for node in nodes {
      sum.add(node.simulation.tally)
      sum.counters.add(node.simulation.engine.counters)
    }
    return sum
  }
}
