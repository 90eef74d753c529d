import Glibc

/// Time and processor time of this process.
enum Machine {
  /// Seconds that only go on.
  static var seconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// Processor time of all threads, the kernel's part included.
  static var cpuSeconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// Runs `body` on so many threads at once, and waits for all; false when there are not so many.
  static func parallel(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) -> Bool {
    var threads: [pthread_t] = []
    for index in 0..<count {
      let start = Unmanaged.passRetained(Start(index: index, body: body))
      var thread = pthread_t()
      let code = pthread_create(
        &thread, nil,
        { argument in
          let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
          start.body(start.index)
          return nil
        }, start.toOpaque())
      guard code == 0 else {
        start.release()
        break
      }
      threads.append(thread)
    }
    for thread in threads { pthread_join(thread, nil) }
    return threads.count == count
  }

  private final class Start: Sendable {
    let index: Int
    let body: @Sendable (Int) -> Void

    init(index: Int, body: @escaping @Sendable (Int) -> Void) {
      self.index = index
      self.body = body
    }
  }
}

/// Page-aligned memory whose pages are there, for whoever holds it.
final class Region: @unchecked Sendable {
  /// The first byte.
  let base: UnsafeMutableRawPointer
  private let byteCount: Int

  /// Memory with bytes that are not all equal; nil when the system gives none.
  init?(_ byteCount: Int) {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE
    guard
      let base = mmap(nil, byteCount, PROT_READ | PROT_WRITE, Int32(flags), -1, 0),
      base != MAP_FAILED
    else { return nil }
    self.base = base
    self.byteCount = byteCount
    for offset in stride(from: 0, to: byteCount, by: 4096) {
      base.storeBytes(
        of: UInt64(offset) &* 0x9E37_79B9_7F4A_7C15, toByteOffset: offset, as: UInt64.self)
    }
  }

  deinit { munmap(base, byteCount) }
}
