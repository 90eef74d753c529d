import DiskTier
import Glibc

/// What may stay in a shared directory.
public struct ObjectLimits: Hashable, Sendable {
  /// Objects that nobody used for longer go; nil: none for that reason.
  public var ageMaxSeconds: Int?
  /// The bytes that all together may have; the longest unused go first. Nil: no limit.
  public var bytesMax: Int?

  /// Limits of a kind, or of both.
  public init(ageMaxSeconds: Int? = nil, bytesMax: Int? = nil) {
    self.ageMaxSeconds = ageMaxSeconds
    self.bytesMax = bytesMax
  }
}

/// What a sweep found and did.
public struct ObjectSweep: Hashable, Sendable {
  /// Objects that were there.
  public var objectCount = 0
  /// Their bytes.
  public var byteCount = 0
  /// Objects that were deleted.
  public var removedCount = 0
  /// Their bytes.
  public var removedBytes = 0
  /// Temporary files, a day old and more, that were deleted.
  public var temporaryCount = 0

  /// Nothing found, nothing done.
  public init() {}
}

extension FileObjectStore {
  /// Deletes what is beyond the limits, and what writers that died left behind.
  ///
  /// Safe beside other nodes that read, write and sweep: a deleted object is missing for them, and
  /// two sweeps at once choose the same objects, but for those whose ages are within 1.5 % of that
  /// from which on objects go. Ages are by the file server's clock. Runs on the calling thread.
  ///
  /// - Throws: `gone`, `system`; what was deleted until then stays so.
  /// - Complexity: a `stat` for every object, twice where something has to go; memory for the names
  ///   of one folder.
  public func sweep(_ limits: ObjectLimits) throws(ObjectError) -> ObjectSweep {
    let now = try serverTime()
    var ages = AgeTable()
    var sweep = ObjectSweep()
    try forEachFile { folder, name, status in
      if TemporaryName.matches(name) {
        let isOld = now - status.st_mtim.tv_sec > Self.temporaryAgeSeconds
        if isOld && unlink("\(folder)/\(name)") == 0 { sweep.temporaryCount += 1 }
      } else {
        sweep.objectCount += 1
        sweep.byteCount += Int(status.st_size)
        ages.add(Self.age(status, now), bytes: Int(status.st_size))
      }
    }
    let ageMax = limits.ageMaxSeconds ?? Int.max
    let excess = limits.bytesMax.map { max(0, sweep.byteCount - max(0, $0)) } ?? 0
    guard excess > 0 || ages.oldest > ageMax else { return sweep }
    var cut = ages.cut(excess)
    try forEachFile { folder, name, status in
      let age = Self.age(status, now)
      guard !TemporaryName.matches(name), age > ageMax || cut.includes(age) else { return }
      // One that another node has just deleted is gone as well.
      guard unlink("\(folder)/\(name)") == 0 || errno == ENOENT else { return }
      sweep.removedCount += 1
      sweep.removedBytes += Int(status.st_size)
      cut.removed(age, bytes: Int(status.st_size))
    }
    return sweep
  }

  private static let temporaryAgeSeconds = 86_400

  /// Since it was last used or made; one from the future is new.
  private static func age(_ status: stat, _ now: Int) -> Int {
    max(0, now - max(status.st_atim.tv_sec, status.st_mtim.tv_sec))
  }

  /// The time that the file server gives to a file that is made now.
  private func serverTime() throws(ObjectError) -> Int {
    let path = "\(directory.root)/\(TemporaryName.next())"
    let file = try ObjectFile(making: path)
    defer { unlink(path) }
    return try file.status().st_mtim.tv_sec
  }

  /// Calls `body` with every object and temporary file, and with nothing else.
  private func forEachFile(_ body: (String, String, stat) -> Void) throws(ObjectError) {
    let root = directory.root
    for (name, status) in try Self.entries(root) where status.st_mode & S_IFMT == S_IFREG {
      if TemporaryName.matches(name) { body(root, name, status) }
    }
    for namespace in try Self.folders(root, digits: 32) {
      for folder in try Self.folders(namespace, digits: 2) {
        for (name, status) in try Self.entries(folder) where status.st_mode & S_IFMT == S_IFREG {
          if TemporaryName.matches(name) || Self.isObject(name) { body(folder, name, status) }
        }
      }
    }
  }

  private static func isObject(_ name: String) -> Bool {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 2 && HexText.isDigits(parts[0], count: 32) && UInt16(parts[1]) != nil
  }

  private static func folders(_ path: String, digits: Int) throws(ObjectError) -> [String] {
    try entries(path).compactMap { name, status in
      status.st_mode & S_IFMT == S_IFDIR && HexText.isDigits(name[...], count: digits)
        ? "\(path)/\(name)" : nil
    }
  }

  /// Names and kinds; links are what they are, and what went meanwhile is left out.
  private static func entries(_ path: String) throws(ObjectError) -> [(String, stat)] {
    let names = try ObjectError.mapped { () throws(DiskTierError) in try Directory.list(path) }
    return names.compactMap { name in
      var status = stat()
      return lstat("\(path)/\(name)", &status) == 0 ? (name, status) : nil
    }
  }
}

/// Which ages go: those beyond a range, and in it as many bytes as are left to go.
private struct AgeCut {
  /// By default nothing goes.
  var some = Int.max..<Int.max
  var someBytes = 0

  func includes(_ age: Int) -> Bool { age >= some.upperBound || someBytes > 0 && some ~= age }

  mutating func removed(_ age: Int, bytes: Int) { if some ~= age { someBytes -= bytes } }
}

/// Bytes by age, in steps that are finer where objects are young: 4096 of them at most.
private struct AgeTable {
  private var bytes = [Int](repeating: 0, count: 4_096)
  /// The oldest age that was added, in seconds.
  private(set) var oldest = 0

  mutating func add(_ age: Int, bytes count: Int) {
    bytes[Self.step(age)] += count
    oldest = max(oldest, age)
  }

  /// What has to go so that `excess` bytes do.
  func cut(_ excess: Int) -> AgeCut {
    guard excess > 0 else { return AgeCut() }
    var rest = excess
    for step in bytes.indices.reversed() {
      if bytes[step] >= rest {
        return AgeCut(
          some: Self.firstAge(step)..<Self.firstAge(step + 1), someBytes: rest)
      }
      rest -= bytes[step]
    }
    return AgeCut(some: 0..<0)
  }

  /// 64 steps for each doubling: an age is known to about 1.5 %.
  private static func step(_ age: Int) -> Int {
    guard age >= 64 else { return age }
    let doubling = Int.bitWidth - 1 - age.leadingZeroBitCount - 6
    return min(4_095, (doubling + 1) * 64 + (age >> doubling) - 64)
  }

  private static func firstAge(_ step: Int) -> Int {
    guard step >= 64 else { return step }
    return (64 + step % 64) << (step / 64 - 1)
  }
}
