import ArgumentParser
import KVLayout
import Protection

/// Whether slots are encrypted, as flags and variables say it.
struct Encryption {
  /// What is done to them: `plain` or `encrypted`.
  let form: SlotProtection.Form

  /// What it must be: the rest of a sentence that begins "it must be".
  static let remedy = "\"none\" or \"aes-256-gcm\""

  /// A flag's value, or an error that says what would be right.
  static func parse(_ text: String) throws -> Encryption {
    guard let choice = Encryption(text) else { throw ValidationError("it must be \(remedy)") }
    return choice
  }

  /// A variable's value; nil when it is not set or empty.
  ///
  /// - Throws: A validation error that names variable, value and what would be right.
  static func variable(_ name: String) throws -> Encryption? {
    guard let text = Environment.text(name) else { return nil }
    guard let choice = Encryption(text) else {
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

/// Whether objects are authenticated where they are not encrypted.
enum ObjectAuthentication: String {
  case on, off

  private static let name = "KVBM_OBJECT_AUTHENTICATION"
  private static let remedy = "\"on\" or \"off\""

  /// A flag's value, or an error that says what would be right.
  static func parse(_ text: String) throws -> ObjectAuthentication {
    guard let choice = ObjectAuthentication(rawValue: text) else {
      throw ValidationError("it must be \(remedy)")
    }
    return choice
  }

  /// The variable's value; nil when it is not set or empty.
  ///
  /// - Throws: A validation error that names variable, value and what would be right.
  static func variable() throws -> ObjectAuthentication? {
    guard let text = Environment.text(name) else { return nil }
    guard let choice = ObjectAuthentication(rawValue: text) else {
      throw ValidationError("\(name) is \"\(text)\"; it must be \(remedy)")
    }
    return choice
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
