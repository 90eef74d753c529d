import CBaseline
import Glibc

/// Time and memory, as the operating system counts them.
enum Stopwatch {
  /// Nanoseconds that this thread has run: what it waits for a processor is not the pool's.
  @inline(__always)
  static var now: Int {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }

  /// Bytes that are allocated at the moment, whether touched or not.
  static var allocatedBytes: Int { Int(baseline_allocated_bytes()) }
}
