import CLinux
import Glibc

/// A read of the trial that a store begins with.
public struct TrialRead: Sendable {
  /// What was read.
  public var bytes: Int
  /// How long that took.
  public var nanoseconds: UInt64
}

/// What the file system under a store can do, found out by doing it.
struct StoreProbe: Sendable {
  /// A page went around the page cache and came back.
  var supportsDirectIO = false
  /// Blocks can be had before they are written.
  var supportsFallocate = false

  /// There was no room for the probe; what could not be tried is assumed to work.
  var isFull = false
  /// How long its reads took, those around the page cache: of others the cache's speed is seen.
  var reads: [TrialRead] = []

  /// Writes, reads and allocates a file of its own in the directory, and deletes it.
  ///
  /// A full file system is no obstacle: what is in the store can still be read and replaced.
  ///
  /// - Throws: `system` when the file cannot be made; `unsound` when not even buffered writes and
  ///   reads work, or bytes do not come back as they were written.
  /// - Complexity: 1 MiB each way, or as much as goes in a quarter of a second.
  init(path: String, tryDirectIO: Bool) throws(DiskTierError) {
    unlink(path)
    defer { unlink(path) }
    do throws(DiskTierError) {
      if tryDirectIO, let file = try? FileHandle.open(path, create: true, direct: true) {
        let code = Self.roundTrip(file.fd, seed: 0xA5, &reads)
        if code == Self.otherBytes { throw .unsound(path: path, errno: nil) }
        isFull = Self.meansFull(code)
        supportsDirectIO = code == 0 || isFull
        if code != 0 { reads = [] }
      }
      let file = try FileHandle.open(path, create: true)
      if !supportsDirectIO {
        var cached: [TrialRead] = []
        let code = Self.roundTrip(file.fd, seed: 0x5A, &cached)
        isFull = Self.meansFull(code)
        if code != 0 && !isFull {
          throw .unsound(path: path, errno: code == Self.otherBytes ? nil : code)
        }
      }
      supportsFallocate =
        clinux_fallocate(file.fd, 0, 0, 65_536) == 0 || Self.meansFull(errno)
    } catch {
      guard case .system(_, _, let code) = error, Self.meansFull(code) else { throw error }
      isFull = true
      supportsFallocate = true
    }
  }

  /// Whether the errno says that there is no room.
  static func meansFull(_ code: Int32) -> Bool { code == ENOSPC || code == EDQUOT }

  /// As many pieces as there is time for, all written before the first is read; of every other one
  /// the first page is read by itself too, so that what a read costs at all is seen. The errno, 0,
  /// or `otherBytes`.
  private static func roundTrip(_ fd: Int32, seed: UInt64, _ reads: inout [TrialRead]) -> Int32 {
    let written = AlignedBuffer(count: pieceBytes)
    let found = AlignedBuffer(count: pieceBytes)
    let start = ProbeClock.nanoseconds
    var count = 0
    while count == 0 || count < pieceCount && ProbeClock.nanoseconds < start + 125_000_000 {
      fill(written, seed: seed, piece: count)
      let offset = Int64(count * pieceBytes)
      let code = Transfer.write(fd, from: written.address, count: pieceBytes, at: offset)
      guard code == 0 else { return code }
      count += 1
    }
    for piece in 0..<count {
      let offset = Int64(piece * pieceBytes)
      for count in piece % 2 == 0 ? [pageBytes, pieceBytes] : [pieceBytes] {
        let start = ProbeClock.nanoseconds
        let code = Transfer.read(fd, into: found.address, count: count, at: offset)
        guard code == 0 else { return code }
        reads.append(TrialRead(bytes: count, nanoseconds: ProbeClock.nanoseconds - start))
      }
      fill(written, seed: seed, piece: piece)
      if memcmp(written.address, found.address, pieceBytes) != 0 { return otherBytes }
    }
    return 0
  }

  /// Bytes that no other place of the file has.
  private static func fill(_ buffer: AlignedBuffer, seed: UInt64, piece: Int) {
    let words = buffer.bytes.bindMemory(to: UInt64.self)
    for index in words.indices {
      words[index] = (UInt64(piece * words.count + index) &+ seed) &* 0x9E37_79B9_7F4A_7C15
    }
  }

  /// What no call answers.
  private static let otherBytes: Int32 = -1
  private static let pieceBytes = 128 << 10
  private static let pageBytes = 4096
  private static let pieceCount = 8
}

private enum ProbeClock {
  static var nanoseconds: UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) &* 1_000_000_000 &+ UInt64(now.tv_nsec)
  }
}
