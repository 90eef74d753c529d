import BlockEngine
import Glibc

/// The node's clocks; the engine is told the time and has none.
enum Clock {
  /// Monotonic, for deadlines.
  static var now: Time {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Time(nanoseconds: UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec))
  }

  /// Nanoseconds since 1970, for headers.
  static var unixNanoseconds: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }
}
