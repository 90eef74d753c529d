import ArgumentParser
import BlockPolicy
import Glibc
import KVBMReplay

extension ReplayCommand {
  /// Plays the trace on the engine over each of the setups, and prints a row for each.
  ///
  /// - Throws: `ValidationError` for a policy that a node does not have; exit 70 when the engine
  ///   contradicts itself.
  func play(_ trace: Trace, over setups: [TierSetup]) throws {
    guard plot == nil else {
      throw ValidationError("--plot draws hit rates of a pool; leave --through engine out")
    }
    let choices = try choices()
    let admissions = try admissions()
    let setups = setups.flatMap { setup in
      choices.flatMap { choice in
        admissions.map { admission in
          var setup = setup
          setup.eviction = choice
          setup.hostAdmission = admission
          return setup
        }
      }
    }
    var rows: [ReplayTierRow] = []
    for setup in setups {
      var bar = ProgressBar(
        "\(setup.eviction.rawValue), \(setup.hostBlocks) + \(setup.diskBlocks) blocks",
        isQuiet: json)
      let started = Self.seconds
      let result: TierResult
      do throws(BrokenInvariant) {
        result = try trace.replay(over: setup) { done, total in
          bar.show(done, total, note: "\(TextTable.grouped(done)) requests")
        }
      } catch {
        throw failure(EX_SOFTWARE, "the engine contradicts itself: \(error)")
      }
      bar.end()
      rows.append(
        ReplayTierRow(setup: setup, result: result, seconds: Self.seconds - started))
    }
    if !json {
      TextTable.lines(ReplayTierRow.table(rows)).forEach(printLine)
    } else if rows.count == 1 {
      try printJSON(rows[0])
    } else {
      try printJSON(["results": rows])
    }
  }

  /// What comes into the host tier: what a node can be told.
  private func admissions() throws -> [AdmissionChoice] {
    try admission.map { name in
      guard case .choice(let choice) = name else {
        throw ValidationError(
          "--admission \(name.rawValue) is no policy of a node; through the engine it must be "
            + AdmissionChoice.remedy)
      }
      return choice
    }
  }

  /// The policies of both tiers: those that a node has.
  private func choices() throws -> [EvictionChoice] {
    guard let eviction else { return [TierSetup(hostBlocks: 1, diskBlocks: 0).eviction] }
    if eviction == PolicyName.allCases { return EvictionChoice.allCases }
    return try eviction.map { policy in
      guard let choice = EvictionChoice(rawValue: policy.rawValue) else {
        throw ValidationError(
          "--eviction \(policy.rawValue) is no policy of a node; through the engine it must be of "
            + EvictionChoice.names)
      }
      return choice
    }
  }
}
