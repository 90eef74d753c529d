/// First in, first out, without moving what waits.
struct JobQueue {
  private var jobs: [CopyJob?] = []
  private var head = 0

  /// Whether no job waits.
  var isEmpty: Bool { head == jobs.count }

  /// Adds a job behind all others.
  mutating func append(_ job: CopyJob) { jobs.append(job) }

  /// Takes the job that has waited longest; its memory goes with it.
  ///
  /// - Complexity: O(1), but for the round that empties the queue.
  mutating func popFirst() -> CopyJob? {
    guard head < jobs.count else { return nil }
    let job = jobs[head]
    jobs[head] = nil
    head += 1
    if head == jobs.count {
      jobs.removeAll(keepingCapacity: true)
      head = 0
    }
    return job
  }
}
