import DiskTier
import Glibc
import KVBMTesting

/// A store's directory as it may be found after power was lost.
struct PowerImage {
  private var random: Random
  private let path: String

  /// An image that is made in `path`, where nothing is.
  init(seed: UInt64, path: String) {
    random = Random(seed: seed)
    self.path = path
  }

  /// Makes it of what a device may have of the store in `source`.
  ///
  /// Any subset of what was not flushed is there, in any order, torn at sectors; a file that was
  /// not flushed may have lost its name or its end; one that was deleted may be back.
  mutating func make(of device: RecordingDriver.State, source: String) throws(DiskTierError) {
    let files = source + "/extents"
    let live = Set(try Directory.list(files))
    try Scratch.make(path + "/extents")
    // Without its marker a store is found to be one all the same.
    if !random.oneIn(8), let marker = try Directory.read(source + "/kvbm-store.json") {
      try Scratch.write(path + "/kvbm-store.json", marker, count: marker.count)
    }
    for name in live.union(device.names).sorted() where name.hasSuffix(".kvx") {
      let isCertain = live.contains(name) && device.names.contains(name)
      guard isCertain || random.oneIn(2), let record = device.records[name] else { continue }
      let (bytes, count) = content(of: record)
      try Scratch.write(path + "/extents/" + name, bytes, count: count)
      // A time of last change may be lost as well.
      if let time = device.index?.times[name] {
        utimensat(AT_FDCWD, path + "/extents/" + name, [time, time], 0)
      }
    }
    if let index = device.index {
      try Scratch.write(path + "/kvbm-index", index.bytes, count: index.bytes.count)
    }
  }

  private mutating func content(of record: RecordingDriver.Record) -> ([UInt8], count: Int) {
    var record = record
    for write in record.pending.shuffled(using: &random) {
      let count = write.bytes.count / RecordingDriver.sectorBytes
      let cut = random.below(count + 1)
      switch random.below(5) {
      case 0: break
      case 1: record.put(write, isFlushed: false) { _ in true }
      case 2: record.put(write, isFlushed: false) { $0 < cut }
      case 3: record.put(write, isFlushed: false) { $0 >= cut }
      default:
        let seed = random.next()
        record.put(write, isFlushed: false) { Random.mix(seed &+ UInt64($0)) & 1 == 0 }
      }
    }
    guard random.oneIn(4) else { return (record.bytes, record.bytes.count) }
    // The length that was not flushed: anything from the last flushed byte on.
    let kept = ((record.flushed.lastIndex { $0 > 0 } ?? -1) + 1) * RecordingDriver.sectorBytes
    return (record.bytes, kept + random.below(record.bytes.count - kept + 1))
  }
}

/// Directories of a campaign, which are made and taken away again.
enum Scratch {
  /// A new directory of its own under `parent`.
  static func directory(in parent: String) throws(DiskTierError) -> String {
    var template = Array("\(parent)/kvbm-campaign-XXXXXX".utf8CString)
    let made = template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) != nil }
    guard made else { throw .system(call: "mkdtemp", path: parent, errno: errno) }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Makes a directory; the one above it may be missing too.
  static func make(_ path: String) throws(DiskTierError) {
    let parent = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    for path in [parent, path] where mkdir(path, 0o700) != 0 && errno != EEXIST {
      throw .system(call: "mkdir", path: path, errno: errno)
    }
  }

  /// Writes the first `count` of some bytes into a file.
  static func write(_ path: String, _ bytes: [UInt8], count: Int) throws(DiskTierError) {
    let fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard fd >= 0 else { throw .system(call: "open", path: path, errno: errno) }
    defer { close(fd) }
    let written = bytes.withUnsafeBytes { Glibc.write(fd, $0.baseAddress!, count) }
    guard written == count else { throw .system(call: "write", path: path, errno: errno) }
  }

  /// Takes a directory away with all that is in it.
  static func remove(_ path: String) {
    for name in (try? Directory.list(path)) ?? [] where name != "." && name != ".." {
      if unlink(path + "/" + name) != 0 { remove(path + "/" + name) }
    }
    rmdir(path)
  }
}
