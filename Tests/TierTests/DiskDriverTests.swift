import Glibc
import KVBMTesting
import KVLayout
import Synchronization
import Testing

@testable import DiskTier

/// A file of pages that each tell their own number, and a log of what a driver did.
private final class Pages: Sendable {
  static let pageBytes = 4096
  let directory = TemporaryDirectory()
  let file: FileHandle
  private let codes = Mutex<[Int: Int32]>([:])
  private let order = Mutex<[Int]>([])

  init(direct: Bool = true, count: Int = 256) throws {
    let path = directory.path + "/pages"
    let made = try FileHandle.open(path, create: true)
    for page in 0..<count {
      let bytes = AlignedBuffer(count: Self.pageBytes)
      Self.fill(bytes.bytes, page)
      #expect(
        Transfer.write(
          made.fd, from: bytes.address, count: Self.pageBytes, at: Int64(page * Self.pageBytes))
          == 0)
    }
    file = direct ? (try? FileHandle.open(path, direct: true)) ?? made : made
  }

  static func fill(_ bytes: UnsafeMutableRawBufferPointer, _ page: Int) {
    for index in 0..<bytes.count / 8 {
      bytes.storeBytes(
        of: UInt64(page) << 32 | UInt64(index), toByteOffset: index * 8, as: UInt64.self)
    }
  }

  /// Whether memory has these pages, every byte.
  static func holds(_ memory: AlignedBuffer, firstPage: Int, count: Int) -> Bool {
    let wanted = AlignedBuffer(count: count * pageBytes)
    for page in 0..<count {
      fill(
        UnsafeMutableRawBufferPointer(
          rebasing: wanted.bytes[page * pageBytes..<(page + 1) * pageBytes]), firstPage + page)
    }
    return memcmp(wanted.address, memory.address, count * pageBytes) == 0
  }

  /// A job about `count` pages from `first` on; its outcome is kept under `number`.
  func job(
    _ number: Int, _ direction: DiskJob.Direction, _ memory: AlignedBuffer, first: Int,
    count: Int = 1, prepare: (@Sendable () -> Int32)? = nil,
    then: (@Sendable () -> Void)? = nil
  ) -> DiskJob {
    DiskJob(
      direction: direction, fd: file.fd, offset: Int64(first * Self.pageBytes),
      address: SlotAddress(memory.address), byteCount: count * Self.pageBytes,
      prepare: { [self] in
        order.withLock { $0.append(number) }
        return prepare?() ?? 0
      },
      complete: { [self] code in
        then?()
        withExtendedLifetime(memory) {
          codes.withLock { codes in
            precondition(codes[number] == nil, "job \(number) was completed twice")
            codes[number] = code
          }
        }
      })
  }

  var outcomes: [Int: Int32] { codes.withLock { $0 } }
  var started: [Int] { order.withLock { $0 } }

  func wait(for count: Int) -> Bool {
    for _ in 0..<100_000 {
      if outcomes.count >= count { return true }
      usleep(100)
    }
    return false
  }
}

@Suite("Disk drivers: whole transfers, each told once")
struct DiskDriverTests {
  @Test("Reads bring the bytes of their place, many at a time", arguments: Drivers.all)
  func reads(driver: DiskOptions.Driver) throws {
    let pages = try Pages()
    let driver = try Drivers.make(driver, queueLimit: 1024, depth: 8)
    var generator = Random(seed: 5)
    var memories: [(AlignedBuffer, Int, Int)] = []
    for number in 0..<400 {
      let count = Int.random(in: 1...8, using: &generator)
      let first = Int.random(in: 0...256 - count, using: &generator)
      let memory = AlignedBuffer(count: count * Pages.pageBytes)
      memories.append((memory, first, count))
      // What was read must be there when the job is told to be complete, not only later.
      let job = pages.job(
        number, .read, memory, first: first, count: count,
        then: {
          #expect(Pages.holds(memory, firstPage: first, count: count))
        })
      #expect(driver.submit(job))
    }
    driver.shutdown()
    #expect(pages.outcomes.count == 400 && pages.outcomes.values.allSatisfy { $0 == 0 })
    for (memory, first, count) in memories {
      #expect(Pages.holds(memory, firstPage: first, count: count))
    }
  }

  @Test("Writes put bytes in their place", arguments: Drivers.all, [true, false])
  func writes(driver: DiskOptions.Driver, flush: Bool) throws {
    let pages = try Pages()
    let driver = try Drivers.make(driver, depth: 4)
    for number in 0..<64 {
      let memory = AlignedBuffer(count: 2 * Pages.pageBytes)
      for half in 0..<2 {
        Pages.fill(
          UnsafeMutableRawBufferPointer(
            rebasing: memory.bytes[half * Pages.pageBytes..<(half + 1) * Pages.pageBytes]),
          1000 + 2 * number + half)
      }
      #expect(
        driver.submit(
          pages.job(number, .write(flush: flush), memory, first: 2 * number, count: 2)))
    }
    driver.shutdown()
    #expect(pages.outcomes.count == 64 && pages.outcomes.values.allSatisfy { $0 == 0 })
    let found = AlignedBuffer(count: 128 * Pages.pageBytes)
    #expect(
      Transfer.read(pages.file.fd, into: found.address, count: found.bytes.count, at: 0) == 0)
    #expect(Pages.holds(found, firstPage: 1000, count: 128))
  }

  @Test(
    "The end of a file, a closed file and a refusal of `prepare` are told by number",
    arguments: Drivers.all)
  func errors(driver: DiskOptions.Driver) throws {
    let pages = try Pages(direct: false, count: 4)
    let driver = try Drivers.make(driver)
    let memory = AlignedBuffer(count: 4 * Pages.pageBytes)
    // Half of it is there: a short read, and then the end.
    #expect(driver.submit(pages.job(0, .read, memory, first: 2, count: 4)))
    var closed = pages.job(1, .read, memory, first: 0)
    closed.fd = -1
    #expect(driver.submit(closed))
    #expect(driver.submit(pages.job(2, .read, memory, first: 0, prepare: { ENOSPC })))
    var empty = pages.job(3, .write(flush: true), memory, first: 0)
    empty.byteCount = 0
    #expect(driver.submit(empty))
    #expect(pages.wait(for: 4))
    #expect(pages.outcomes == [0: EIO, 1: EBADF, 2: ENOSPC, 3: 0])
    driver.shutdown()
  }

  @Test("Jobs that fail before they begin are all told, however many", arguments: Drivers.all)
  func manyRefused(driver: DiskOptions.Driver) throws {
    let pages = try Pages(count: 4)
    let driver = try Drivers.make(driver, queueLimit: 1024, depth: 2)
    let memory = AlignedBuffer(count: Pages.pageBytes)
    for number in 0..<500 {
      #expect(
        driver.submit(
          pages.job(number, .read, memory, first: 0, prepare: { number % 3 == 0 ? 0 : EIO })))
    }
    driver.shutdown()
    #expect(pages.outcomes.count == 500)
    #expect(pages.outcomes.allSatisfy { ($0.value == 0) == ($0.key % 3 == 0) })
  }

  @Test("A transfer that comes in pieces goes on where it stopped")
  func pieces() throws {
    guard Drivers.all.contains(.ring) else { return }
    let pages = try Pages()
    let driver = try IOUringDriver(threadCount: 2, depth: 3, pieceBytes: 2 * Pages.pageBytes)
    let written = AlignedBuffer(count: 7 * Pages.pageBytes)
    for page in 0..<7 {
      Pages.fill(
        UnsafeMutableRawBufferPointer(
          rebasing: written.bytes[page * Pages.pageBytes..<(page + 1) * Pages.pageBytes]),
        500 + page)
    }
    #expect(driver.submit(pages.job(0, .write(flush: true), written, first: 9, count: 7)))
    let memories = (0..<6).map { _ in AlignedBuffer(count: 9 * Pages.pageBytes) }
    for (index, memory) in memories.enumerated() {
      #expect(driver.submit(pages.job(1 + index, .read, memory, first: 20 * index + 16, count: 9)))
    }
    #expect(pages.wait(for: 7))
    for (index, memory) in memories.enumerated() {
      #expect(Pages.holds(memory, firstPage: 20 * index + 16, count: 9))
    }
    let found = AlignedBuffer(count: 7 * Pages.pageBytes)
    #expect(driver.submit(pages.job(7, .read, found, first: 9, count: 7)))
    driver.shutdown()
    #expect(pages.outcomes.count == 8 && pages.outcomes.values.allSatisfy { $0 == 0 })
    #expect(Pages.holds(found, firstPage: 500, count: 7))
  }

  @Test("A ring starts reads before writes that wait longer")
  func readsFirst() throws {
    guard Drivers.all.contains(.ring) else { return }
    let pages = try Pages()
    let driver = try IOUringDriver(threadCount: 1, depth: 4)
    let isOpen = Mutex(false)
    let memory = AlignedBuffer(count: Pages.pageBytes)
    // Holds the ring's thread until all others wait.
    #expect(
      driver.submit(
        pages.job(
          0, .read, memory, first: 0,
          prepare: {
            while !isOpen.withLock({ $0 }) { usleep(100) }
            return 0
          })))
    for number in 1...6 {
      let source = AlignedBuffer(count: Pages.pageBytes)
      #expect(driver.submit(pages.job(number, .write(flush: false), source, first: 200 + number)))
    }
    for number in 7...9 {
      #expect(
        driver.submit(
          pages.job(number, .read, AlignedBuffer(count: Pages.pageBytes), first: number)))
    }
    isOpen.withLock { $0 = true }
    driver.shutdown()
    #expect(pages.started == [0, 7, 8, 9, 1, 2, 3, 4, 5, 6])
    #expect(pages.outcomes.count == 10 && pages.outcomes.values.allSatisfy { $0 == 0 })
  }

  @Test("Many threads submit, some while the driver ends", arguments: Drivers.all)
  func manySubmitters(driver: DiskOptions.Driver) throws {
    for round in 0..<5 {
      let pages = try Pages(count: 64)
      let driver = try Drivers.make(driver, threadCount: 3, queueLimit: 16, depth: 4)
      let taken = Mutex(0)
      let submitters = ThreadGroup()
      for thread in 0..<4 {
        let code = submitters.start(name: "submit-\(thread)") {
          for step in 0..<200 {
            let first = (thread * 200 + step) % 64
            let memory = AlignedBuffer(count: Pages.pageBytes)
            let job = pages.job(
              thread * 1000 + step, .read, memory, first: first,
              then: {
                #expect(Pages.holds(memory, firstPage: first, count: 1))
              })
            if driver.submit(job) { taken.withLock { $0 += 1 } }
          }
        }
        #expect(code == 0)
      }
      if round % 2 == 0 { submitters.join() }
      driver.shutdown()
      let afterwards = pages.outcomes.count
      submitters.join()
      #expect(pages.outcomes.count == taken.withLock { $0 } && afterwards == pages.outcomes.count)
      #expect(pages.outcomes.values.allSatisfy { $0 == 0 })
    }
  }

  @Test("Idle drivers begin at once, and end without a job", arguments: Drivers.all)
  func idle(driver: DiskOptions.Driver) throws {
    try Drivers.make(driver).shutdown()
    let pages = try Pages()
    let used = try Drivers.make(driver)
    for number in 0..<20 {
      usleep(number % 2 == 0 ? 2_000 : 0)
      let memory = AlignedBuffer(count: Pages.pageBytes)
      #expect(used.submit(pages.job(number, .read, memory, first: number)))
      #expect(pages.wait(for: number + 1))
      #expect(Pages.holds(memory, firstPage: number, count: 1))
    }
    used.shutdown()
    #expect(!used.submit(pages.job(99, .read, AlignedBuffer(count: 4096), first: 0)))
  }
}
