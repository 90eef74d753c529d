import BlockPolicy

/// Looks for the least of a failed game that still fails, by playing it again with parts left out.
///
/// 1. Leave out all before the last steps. 2. Leave out kinds of mishaps. 3. Leave out calls and
/// events, in halves, quarters and so on. 4. Again kinds of mishaps. What is left breaks the same
/// invariant, and no part of it that was tried can go. Bounded in steps played, and the same for
/// equal seeds.
public struct Shrinker {
  /// A game that fails, and how.
  public struct Failure: Sendable {
    /// The step after which it was seen.
    public var step: Int
    /// What was broken.
    public var invariant: BrokenInvariant
    /// What has to be played for it.
    public var plan: Plan

    /// A failure of a whole game.
    public init(step: Int, invariant: BrokenInvariant) {
      self.init(step: step, invariant: invariant, plan: Plan())
    }

    init(step: Int, invariant: BrokenInvariant, plan: Plan) {
      self.step = step
      self.invariant = invariant
      self.plan = plan
    }
  }

  private let seed: UInt64
  private let bug: PlantedBug?
  private var remainingSteps: Int
  private var best: Failure

  /// The least game that was found for a failure of a whole one.
  ///
  /// - Parameter stepLimit: Steps to be played at most.
  public static func shrink(
    _ failure: Failure, seed: UInt64, bug: PlantedBug?, stepLimit: Int = 1_000_000
  ) -> Failure {
    var shrinker = Shrinker(seed: seed, bug: bug, remainingSteps: stepLimit, best: failure)
    shrinker.dropBeginning()
    shrinker.dropMishaps()
    shrinker.dropActs()
    shrinker.dropMishaps()
    return shrinker.best
  }

  /// Plays a failure again, and puts it into words.
  public static func story(of failure: Failure, seed: UInt64, bug: PlantedBug?) -> [String] {
    var plan = failure.plan
    plan.isTold = true
    var game = Fleet(seed: seed, bug: bug, plan: plan)
    // It ends with the failure.
    try? game.run(stepCount: failure.step - plan.firstStep + 1)
    return game.story
  }

  private mutating func dropBeginning() {
    var count = 32
    while count < best.step {
      var plan = best.plan
      plan.firstStep = best.step - count + 1
      if attempt(plan) { return }
      count *= 2
    }
  }

  private mutating func dropMishaps() {
    for kind in Mishap.allCases where best.plan.mishaps.contains(kind) {
      var plan = best.plan
      plan.mishaps = plan.mishaps.removing(kind)
      attempt(plan)
    }
  }

  private mutating func dropActs() {
    best.plan.acts = Set(best.plan.firstStep...best.step)
    var chunk = max(1, (best.plan.acts?.count ?? 0) / 2)
    while true {
      var isSmaller = false
      var rest = (best.plan.acts ?? []).sorted()[...]
      while !rest.isEmpty {
        let dropped = rest.prefix(chunk)
        rest = rest.dropFirst(chunk)
        var plan = best.plan
        plan.acts?.subtract(dropped)
        if attempt(plan) { isSmaller = true }
      }
      if remainingSteps <= 0 || (chunk == 1 && !isSmaller) { break }
      chunk = max(1, chunk / 2)
    }
    dropIdleSteps()
  }

  /// Before the first call there is nothing that time could change.
  private mutating func dropIdleSteps() {
    guard let first = best.plan.acts?.min() else { return }
    var plan = best.plan
    plan.firstStep = first
    attempt(plan)
  }

  /// Keeps the plan when it fails in the same way, and no later.
  @discardableResult
  private mutating func attempt(_ plan: Plan) -> Bool {
    let stepCount = best.step - plan.firstStep + 1
    guard remainingSteps > 0 else { return false }
    remainingSteps -= stepCount
    var game = Fleet(seed: seed, bug: bug, plan: plan)
    do throws(BrokenInvariant) {
      try game.run(stepCount: stepCount)
      return false
    } catch {
      guard Self.kind(of: error) == Self.kind(of: best.invariant) else { return false }
      best = Failure(step: game.step, invariant: error, plan: plan)
      return true
    }
  }

  /// The words without their numbers.
  private static func kind(of invariant: BrokenInvariant) -> String {
    invariant.description.filter { !$0.isNumber && $0 != "-" }
  }
}
