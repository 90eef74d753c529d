import ArgumentParser
import KVLayout
import Protection

/// Whether slots on disk are encrypted, as flags and variables say it.
struct DiskEncryption {
  /// What is done to them.
  let form: SlotProtection.Form

  /// What it must be: the rest of a sentence that begins "it must be".
  static let remedy = "\"none\" or \"aes-256-gcm\""
  private static let name = "KVBM_DISK_ENCRYPTION"

  /// A flag's value, or an error that says what would be right.
  static func parse(_ text: String) throws -> DiskEncryption {
    guard let choice = DiskEncryption(text) else { throw ValidationError("it must be \(remedy)") }
    return choice
  }

  /// The variable's value; nil when it is not set or empty.
  ///
  /// - Throws: A validation error that names variable, value and what would be right.
  static func variable() throws -> DiskEncryption? {
    guard let text = Environment.text(name) else { return nil }
    guard let choice = DiskEncryption(text) else {
      throw ValidationError("\(name) is \"\(text)\"; it must be \(remedy)")
    }
    return choice
  }

  private init?(_ text: String) {
    guard let form = SlotProtection.Form(rawValue: text), form != .authenticated else {
      return nil
    }
    self.form = form
  }
}

/// Where commands find keys.
enum Keys {
  /// The keys of a flag, or of the variable; nil when neither is given.
  ///
  /// - Throws: A validation error with the reason and what would be right.
  static func read(_ flag: String?) throws -> KeyRing? {
    guard let source = flag ?? Environment.text("KVBM_KEYS") else { return nil }
    do throws(KeyError) {
      return try KeyRing(source: source)
    } catch {
      throw ValidationError("keys: \(error)")
    }
  }
}
