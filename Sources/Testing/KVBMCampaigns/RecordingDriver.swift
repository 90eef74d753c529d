import DiskTier
import Glibc
import KVBMTesting
import Synchronization

/// Passes transfers on, and keeps of each file what a device has for certain and what it may have.
///
/// A write is on the device for certain when it was flushed and its end is told; until then any
/// part of it may be, in units of a sector. The same goes for the names of files.
final class RecordingDriver: DiskDriver {
  /// A file as the device may have it.
  struct Record {
    /// What is there for certain.
    var bytes: [UInt8]
    /// By sector: the last flushed write that it comes from; 0 for none.
    var flushed: [Int]
    /// Writes of which any part may be there.
    var pending: [PendingWrite] = []
  }

  /// A write that was begun and not flushed.
  struct PendingWrite {
    /// Rises with every write.
    var number: Int
    /// In the file.
    var offset: Int
    /// What was written.
    var bytes: [UInt8]
  }

  /// All that is remembered.
  struct State {
    /// By name.
    var records: [String: Record] = [:]
    /// Names that are there for certain.
    var names: Set<String> = []
    /// Writes so far.
    var writeCount = 0
    /// The index of a clean stop that was read and deleted, while its name may come back.
    var index: DeletedIndex?
  }

  /// An index that may come back, and the times of the files that it believes in.
  struct DeletedIndex {
    /// The file.
    var bytes: [UInt8]
    /// By name of an extent.
    var times: [String: timespec]
  }

  /// What a device writes whole or not at all.
  static let sectorBytes = 512

  private let inner: any DiskDriver
  private let state = Mutex(State())

  var name: String { inner.name }

  /// A device that has nothing, or what it has from before.
  init(_ inner: any DiskDriver, _ before: State = State()) {
    self.inner = inner
    state.withLock { $0 = before }
  }

  func shutdown() { inner.shutdown() }

  /// What a device may have now.
  var snapshot: State { state.withLock { $0 } }

  /// In place of flushing a directory's names.
  func flushNames(_ directory: String) -> Int32 {
    guard !directory.hasSuffix("/..") else { return 0 }
    guard directory.hasSuffix("/extents") else {
      if access(directory + "/kvbm-index", F_OK) != 0 { state.withLock { $0.index = nil } }
      return 0
    }
    let names = (try? Directory.list(directory)) ?? []
    state.withLock { $0.names = Set(names) }
    return 0
  }

  func submit(_ job: DiskJob) -> Bool {
    guard case .write(let flush) = job.direction else { return inner.submit(job) }
    var job = job
    let (prepare, complete) = (job.prepare, job.complete)
    let (fd, offset, address, count) = (job.fd, Int(job.offset), job.address, job.byteCount)
    let kept = Kept()
    // What the flush would cost is of no interest here.
    job.direction = .write(flush: false)
    job.prepare = { [self] in
      let code = prepare?() ?? 0
      guard code == 0, let file = Self.file(of: fd) else { return code }
      let bytes = Array(UnsafeRawBufferPointer(start: address.pointer, count: count))
      let write = state.withLock { $0.begin(file.name, file.bytes, offset, bytes) }
      kept.value.withLock { $0 = (file.name, write) }
      return 0
    }
    job.complete = { [self] code in
      if code == 0, flush, let (file, write) = kept.value.withLock({ $0 }) {
        state.withLock { $0.flush(file, write) }
      }
      complete(code)
    }
    return inner.submit(job)
  }

  /// Which write a job has become.
  private final class Kept: Sendable {
    let value = Mutex<(file: String, write: Int)?>(nil)
  }

  private static func file(of fd: Int32) -> (name: String, bytes: Int)? {
    var target = [UInt8](repeating: 0, count: 4096)
    let count = target.withUnsafeMutableBytes { buffer in
      readlink("/proc/self/fd/\(fd)", buffer.baseAddress!, buffer.count)
    }
    var status = stat()
    guard count > 0, fstat(fd, &status) == 0 else { return nil }
    let path = String(decoding: target[..<count], as: UTF8.self)
    return (path.split(separator: "/").last.map(String.init) ?? path, Int(status.st_size))
  }
}

extension RecordingDriver.State {
  /// A write has begun; its number.
  fileprivate mutating func begin(
    _ file: String, _ fileBytes: Int, _ offset: Int, _ bytes: [UInt8]
  ) -> Int {
    writeCount += 1
    let sectors = fileBytes / RecordingDriver.sectorBytes
    records[
      file,
      default: RecordingDriver.Record(
        bytes: Array(repeating: 0, count: fileBytes), flushed: Array(repeating: 0, count: sectors))
    ].pending.append(RecordingDriver.PendingWrite(number: writeCount, offset: offset, bytes: bytes))
    return writeCount
  }

  /// A write is on the device.
  fileprivate mutating func flush(_ file: String, _ number: Int) {
    guard let index = records[file]?.pending.firstIndex(where: { $0.number == number }),
      let write = records[file]?.pending.remove(at: index)
    else { return }
    records[file]?.put(write, isFlushed: true) { _ in true }
  }
}

extension RecordingDriver.Record {
  /// Puts those sectors of a write into the file that are wanted, unless a later one was flushed
  /// there.
  mutating func put(
    _ write: RecordingDriver.PendingWrite, isFlushed: Bool, _ isWanted: (Int) -> Bool
  ) {
    let size = RecordingDriver.sectorBytes
    for sector in 0..<write.bytes.count / size where isWanted(sector) {
      let place = write.offset / size + sector
      guard place < flushed.count, flushed[place] < write.number else { continue }
      if isFlushed { flushed[place] = write.number }
      let (from, to) = (sector * size, place * size)
      bytes.replaceSubrange(to..<to + size, with: write.bytes[from..<from + size])
    }
  }
}
