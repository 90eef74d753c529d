import BlockEngine

/// Which slot class of a tier gets space next, and which one gives it: a function of numbers alone.
///
/// Every class has a target: a floor while an engine uses it, and a share of the rest of the tier
/// by how much of it was used of late. A class in need gets free space first. When there is none it
/// gets an extent of a class that stays at or above its target without it, and only if the class
/// stays at or below its own with it: so one move is never a reason for the move back. What nobody
/// has used for long is given away even then. See docs/decisions/0011-extents.md.
struct ExtentBalance {
  /// A class's part of a tier, in bytes.
  struct Share: Equatable {
    /// The class.
    let classID: ClassID
    /// Whether an engine that is attached has blocks in it.
    var isServing = true
    /// One of its extents; the least that it can grow by, for a tier may have a last, shorter one.
    var extentBytes: Int
    var growthBytes: Int
    /// Its extents; those of them that are as good as unused.
    var heldBytes = 0
    var coldBytes = 0
    /// Slots without a block; how many of them there should be, so that no store waits for space.
    var freeBytes = 0
    var wantedFreeBytes = 0
    /// Stored, staged and loaded while the tier was turned over about once.
    var usedBytes = 0

    /// Whether it should get space that nobody has.
    var isInNeed: Bool { isServing && freeBytes < wantedFreeBytes }
    /// Whether it evicts, or is about to: less than half an extent is free.
    var isPressed: Bool { isInNeed && 2 * freeBytes < extentBytes }
  }

  /// Why a class gives an extent.
  enum Reason: String, CaseIterable {
    /// No engine uses the class.
    case idle
    /// The class has more than its target.
    case surplus
    /// The extent's blocks were not used for long.
    case cold
  }

  /// Who could give.
  struct Donor: Equatable {
    let classID: ClassID
    let reason: Reason
  }

  /// What to do next.
  enum Decision: Equatable {
    case nothing
    /// Bring a new extent into use.
    case grow(ClassID)
    /// Take an extent of the first of these that has one without blocks in use.
    case move(to: ClassID, from: [Donor])
  }

  /// How much the use of a class that no engine has counts.
  private static let idleWeight = 0.25
  /// The floors of all classes together take at most this part of the tier.
  private static let floorPart = 4

  private let shares: [Share]
  private let roomBytes: Int
  private var floors: [Int] = []
  private var targets: [Int] = []

  /// A tier of these classes with so many bytes that no class has; below 0 when it should shrink.
  init(_ shares: [Share], roomBytes: Int) {
    self.shares = shares
    self.roomBytes = roomBytes
    let capacity = shares.reduce(max(0, roomBytes)) { $0 + $1.heldBytes }
    let servingCount = max(1, shares.count { $0.isServing })
    floors = shares.map { share in
      share.isServing ? max(share.extentBytes, capacity / (Self.floorPart * servingCount)) : 0
    }
    let weights = shares.map { Double($0.usedBytes) * ($0.isServing ? 1 : Self.idleWeight) }
    let weight = max(1, weights.reduce(0, +))
    let rest = Double(max(0, capacity - floors.reduce(0, +)))
    targets = shares.indices.map { floors[$0] + Int(rest * weights[$0] / weight) }
  }

  /// What a class should have, in the order of the shares.
  var targetBytes: [Int] { targets }

  /// The next thing to do.
  func decide() -> Decision {
    for index in neediest() {
      if shares[index].growthBytes <= roomBytes { return .grow(shares[index].classID) }
      let donors = donors(for: index)
      if !donors.isEmpty { return .move(to: shares[index].classID, from: donors) }
    }
    return .nothing
  }

  /// Who gives when the whole tier must shrink, in order.
  func donorsToShrink() -> [Donor] {
    order(shares.indices.filter { shares[$0].heldBytes > 0 }).map { donor($0, .surplus) }
  }

  /// Classes in need, the one that has the least of its target first.
  private func neediest() -> [Int] {
    shares.indices.filter { shares[$0].isInNeed }.sorted { (fill($0), $0) < (fill($1), $1) }
  }

  private func donors(for needy: Int) -> [Donor] {
    guard shares[needy].isPressed else { return [] }
    let others = shares.indices.filter { $0 != needy && shares[$0].heldBytes > 0 }
    var spare = [Int](repeating: 0, count: shares.count)
    var donors: [Donor] = []
    // A floor comes before anybody's share of the rest.
    let limits = missing(needy, of: floors) ? floors : targets
    if missing(needy, of: targets) {
      for index in order(others.filter { spareBytes($0, limits[$0]) > 0 }) {
        spare[index] = spareBytes(index, limits[index])
        donors.append(donor(index, .surplus))
      }
    }
    for index in order(others) where spare[index] == 0 {
      let extentBytes = shares[index].extentBytes
      let coldBytes = shares[index].coldBytes / extentBytes * extentBytes
      spare[index] = min(coldBytes, spareBytes(index, floors[index]))
      if spare[index] > 0 { donors.append(donor(index, .cold)) }
    }
    // What does not come to an extent of the needy in the end would only go back.
    let reach = spare.reduce(max(0, roomBytes), +)
    return reach >= shares[needy].growthBytes ? donors : []
  }

  /// Whether the class lacks an extent or more of what it should have.
  private func missing(_ index: Int, of bytes: [Int]) -> Bool {
    bytes[index] - shares[index].heldBytes >= shares[index].extentBytes
  }

  /// What the class has beyond so many bytes, in whole extents.
  private func spareBytes(_ index: Int, _ bytes: Int) -> Int {
    let extentBytes = shares[index].extentBytes
    return max(0, shares[index].heldBytes - bytes) / extentBytes * extentBytes
  }

  /// The fullest in relation to its target first.
  private func order(_ indices: [Int]) -> [Int] {
    indices.sorted { (-fill($0), $0) < (-fill($1), $1) }
  }

  private func donor(_ index: Int, _ reason: Reason) -> Donor {
    Donor(
      classID: shares[index].classID, reason: shares[index].isServing ? reason : .idle)
  }

  private func fill(_ index: Int) -> Double {
    Double(shares[index].heldBytes) / Double(max(1, targets[index]))
  }
}
