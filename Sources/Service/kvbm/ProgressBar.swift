import Glibc

/// How far a long work is, on standard error, and only where somebody watches.
struct ProgressBar {
  private let label: String
  private let isShown: Bool
  private var lastPercent = -1
  private let startedAt = ProgressBar.seconds

  private static let width = 30

  /// A bar that is not shown when standard error is no terminal, or `isQuiet`.
  init(_ label: String, isQuiet: Bool) {
    self.label = label
    isShown = !isQuiet && isatty(STDERR_FILENO) == 1
  }

  /// Shows `done` of `total`; costs nothing between two whole percents.
  mutating func show(_ done: Int, _ total: Int, note: String) {
    let percent = total > 0 ? min(100, done * 100 / total) : 100
    guard isShown, percent != lastPercent else { return }
    lastPercent = percent
    let filled = Self.width * percent / 100
    let bar =
      String(repeating: "█", count: filled) + String(repeating: "░", count: Self.width - filled)
    let elapsed = Int(Self.seconds - startedAt)
    write("\r\(label) \(bar) \(percent) %  \(note)  \(elapsed) s ")
  }

  /// Clears the line.
  func end() { if isShown { write("\r\u{1b}[K") } }

  private func write(_ text: String) {
    let bytes = Array(text.utf8)
    _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }

  private static var seconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
