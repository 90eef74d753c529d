import DiskTier
import Glibc

/// A process that writes into a store and tells of it over a pipe, until it is killed.
final class WriterProcess {
  /// How it ended, if it did so by itself, as the shell counts it.
  private(set) var status: Int32?
  private let pid: pid_t
  private let pipe: Int32
  private var bytes: [UInt8] = []

  /// Starts a command, with these words in the place of its arguments.
  init(_ command: [String]) throws(DiskTierError) {
    var ends: [Int32] = [-1, -1]
    guard Glibc.pipe(&ends) == 0 else { throw .system(call: "pipe", path: "", errno: errno) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
    var words: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
    words.append(nil)
    defer { for word in words { free(word) } }
    var pid: pid_t = 0
    let code = posix_spawn(&pid, words[0]!, &actions, nil, words, environ)
    close(ends[1])
    guard code == 0 else {
      close(ends[0])
      throw .system(call: "posix_spawn", path: command[0], errno: code)
    }
    self.pid = pid
    pipe = ends[0]
  }

  deinit {
    if status == nil { kill() }
    close(pipe)
  }

  /// Ends it in the middle of what it does, and waits until nothing of it is left.
  func kill() {
    var status: Int32 = 0
    // Asked first: a process that has ended by itself was not killed.
    if waitpid(pid, &status, WNOHANG) == pid {
      self.status = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
      return
    }
    Glibc.kill(pid, SIGKILL)
    waitpid(pid, &status, 0)
    self.status = 128 + SIGKILL
  }

  /// Waits for what it tells, so long at most; false when it has closed its end.
  func listen(milliseconds: Int, _ hear: (CampaignEvent) -> Void) -> Bool {
    var watch = pollfd(fd: pipe, events: Int16(POLLIN), revents: 0)
    guard poll(&watch, 1, Int32(milliseconds)) > 0 else { return true }
    var part = [UInt8](repeating: 0, count: 65_536)
    let count = read(pipe, &part, part.count)
    guard count > 0 else { return count < 0 }
    bytes += part[..<count]
    var start = 0
    while bytes.count - start >= CampaignEvent.byteCount {
      if let event = CampaignEvent(bytes: bytes[start..<start + CampaignEvent.byteCount]) {
        hear(event)
      }
      start += CampaignEvent.byteCount
    }
    bytes.removeFirst(start)
    return true
  }
}
