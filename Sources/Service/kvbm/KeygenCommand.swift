import ArgumentParser
import KVLayout
import Protection

/// Makes a key that protects slots.
struct KeygenCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keygen",
    abstract: "Make a key for blocks on disk and in shared stores.",
    discussion: """
      Prints two lines for a file of keys: (umask 077; kvbm keygen >> FILE). The first key of a \
      file protects what is written, all of them reveal what was. The first line, a comment, has \
      the key's id, which names it in logs and headers without telling it.
      """)

  /// Prints the key.
  ///
  /// - Throws: Exit 1 when the system has no random bytes.
  func run() throws {
    guard let key = SecretKey.random() else { throw ExitCode.failure }
    printLine("# \(SlotProtection.text(ofKey: key.id))")
    printLine(key.text)
  }
}
