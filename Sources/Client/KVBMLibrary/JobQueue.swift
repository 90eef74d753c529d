/// First in, first out, without moving what waits.
struct JobQueue {
  private var jobs: [CopyJob?] = []
  private var head = 0

  var isEmpty: Bool { head == jobs.count }

  mutating func append(_ job: CopyJob) { jobs.append(job) }

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
