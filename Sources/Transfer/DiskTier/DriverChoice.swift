extension DiskOptions {
  /// The driver that is asked for, and what the operator should know about it, if anything.
  ///
  /// - Throws: `noRing` when a ring is demanded and cannot be had; `system` when there are no
  ///   threads.
  package func makeDriver() throws(DiskTierError) -> (any DiskDriver, String?) {
    var warning: String?
    if driver != .threads {
      do {
        let ring = try IOUringDriver(
          threadCount: threadCount, queueLimit: queueLimit, depth: queueDepth)
        return (ring, nil)
      } catch {
        guard driver == .auto, case .noRing(let code) = error else { throw error }
        warning =
          "The disk is read and written by \(threadCount) threads, one block each at a time: "
          + "io_uring is not to be had here (\(errorText(code)))."
      }
    }
    return (try ThreadPoolDriver(threadCount: threadCount, queueLimit: queueLimit), warning)
  }
}
