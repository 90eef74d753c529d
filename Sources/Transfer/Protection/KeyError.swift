import Glibc

/// Why there are no keys. No message quotes what was read.
public enum KeyError: Error, Hashable, Sendable {
  /// The file cannot be read.
  case unreadable(path: String, errno: Int32)
  /// Others can read or change the file.
  case exposed(path: String, mode: UInt32)
  /// There is no such variable, or it is empty.
  case noVariable(name: String)
  /// Neither hexadecimal nor Base64 of 32 bytes.
  case badKey(source: String, line: Int)
  /// A key is there twice.
  case twice(source: String, line: Int)
  /// More keys than anybody needs.
  case tooMany(source: String)
  /// A source without any key.
  case noKeys(source: String)
  /// The system gave no memory for a key.
  case noMemory
}

extension KeyError: CustomStringConvertible {
  /// What is wrong, and what would be right.
  public var description: String { "\(reason). \(remedy)" }

  /// What is wrong, without a full stop.
  public var reason: String {
    switch self {
    case .unreadable(let path, let code): "\(path): \(String(cString: strerror(code)))"
    case .exposed(let path, let mode):
      "\(path) has mode \(String(mode, radix: 8)): others can read or change the keys in it"
    case .noVariable(let name): "the variable \(name) is not set"
    case .badKey(let source, let line):
      "\(source), line \(line): no key; it must be 64 hexadecimal digits, or 32 bytes in Base64"
    case .twice(let source, let line): "\(source), line \(line): this key is there already"
    case .tooMany(let source): "\(source) has more than \(KeyRing.countMax) keys"
    case .noKeys(let source): "\(source) has no key in it"
    case .noMemory: "the system has no memory for a key"
    }
  }

  /// What to do, without a full stop.
  public var remedy: String {
    switch self {
    case .unreadable: "Name a file of keys that this user may read; `kvbm keygen` makes a key"
    case .exposed(let path, _): "Allow its owner alone: chmod 600 \(path)"
    case .noVariable: "Put the keys into it, or name a file of keys"
    case .badKey, .noKeys: "`kvbm keygen` makes one"
    case .twice: "Leave it out"
    case .tooMany: "Leave those out that nothing is left of"
    case .noMemory: "Free some"
    }
  }
}
