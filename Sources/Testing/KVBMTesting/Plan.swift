/// Which parts of a seed's game are played: all of them, but for what a shrinker leaves out.
///
/// Every step has dice of its own, so what is left out changes no other step's throws.
public struct Plan: Sendable {
  /// The game begins here, in a fresh world.
  public var firstStep = 1
  /// The steps in which somebody calls or something happens; nil for all. In the others time
  /// passes, and bytes move.
  public var acts: Set<Int>?
  /// What may go wrong.
  public var mishaps = MishapSet.all
  /// Whether what happens is put into words; see `Simulation.story`.
  public var isTold = false

  /// The whole game.
  public init() {}

  func plays(_ step: Int) -> Bool { acts?.contains(step) ?? true }
}
