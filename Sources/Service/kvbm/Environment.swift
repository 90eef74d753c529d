import ArgumentParser
import BlockPolicy
import Glibc
import KVBMNode

/// `KVBM_*` variables: what a flag that was not given falls back to.
enum Environment {
  /// A variable's value; nil when it is not set or empty.
  static func text(_ name: String) -> String? {
    guard let value = getenv(name) else { return nil }
    let text = String(cString: value)
    return text.isEmpty ? nil : text
  }

  /// - Throws: A validation error that names variable, value and what would be right.
  static func byteSize(_ name: String) throws -> ByteSize? {
    guard let text = text(name) else { return nil }
    guard let size = ByteSize(text) else {
      throw ValidationError("\(name) is \"\(text)\"; it must be \(ByteSize.remedy)")
    }
    return size
  }

  /// A variable's number; nil when it is not set or empty.
  ///
  /// - Throws: A validation error that names variable and value.
  static func integer(_ name: String) throws -> Int? {
    guard let text = text(name) else { return nil }
    guard let number = Int(text) else {
      throw ValidationError("\(name) is \"\(text)\"; it must be a whole number")
    }
    return number
  }

  /// A variable's eviction policy; nil when it is not set or empty.
  ///
  /// - Throws: A validation error that names variable and value.
  static func eviction(_ name: String) throws -> EvictionChoice? {
    guard let text = text(name) else { return nil }
    guard let choice = EvictionChoice(rawValue: text) else {
      throw ValidationError("\(name) is \"\(text)\"; it must be of \(EvictionChoice.names)")
    }
    return choice
  }

  /// The node's socket that a command means: its flag, the variable, or the default.
  static func socketPath(_ flag: String?) -> String {
    flag ?? text("KVBM_SOCKET") ?? defaultSocketPath
  }

  /// Where a node listens when nothing says otherwise: private to this user.
  static var defaultSocketPath: String {
    text("XDG_RUNTIME_DIR").map { "\($0)/kvbm.sock" } ?? "/tmp/kvbm-\(geteuid())/kvbm.sock"
  }
}

extension EvictionChoice: ExpressibleByArgument {}

extension ByteSize {
  /// What a size must be: the rest of a sentence that begins "it must be".
  static let remedy = "a size as in \"512MiB\", \"20GB\" or a count of bytes"

  /// A flag's value, or an error that says what would be right.
  static func parse(_ text: String) throws -> ByteSize {
    guard let size = ByteSize(text) else { throw ValidationError("it must be \(remedy)") }
    return size
  }
}

/// Prints a line of JSON or of text on standard output.
func printLine(_ line: String) {
  print(line)
  fflush(nil)
}
