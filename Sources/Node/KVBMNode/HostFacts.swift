import Glibc
import KVLayout

/// What this host calls itself, for the headers of blocks.
enum HostFacts {
  /// The host's name; empty where it has none.
  static let name: String = {
    var buffer = [CChar](repeating: 0, count: 256)
    guard gethostname(&buffer, buffer.count - 1) == 0 else { return "" }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }()

  /// The kernel's id of this boot; zero where it has none.
  static let bootID: Bytes16 = {
    var digits: [UInt8] = []
    let fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else { return .zero }
    defer { close(fd) }
    var text = [UInt8](repeating: 0, count: 64)
    let count = read(fd, &text, text.count)
    for byte in text.prefix(max(0, count)) {
      if let digit = Character(UnicodeScalar(byte)).hexDigitValue { digits.append(UInt8(digit)) }
    }
    guard digits.count == 32 else { return .zero }
    let bytes = (0..<16).map { digits[2 * $0] << 4 | digits[2 * $0 + 1] }
    return bytes.withUnsafeBytes { Bytes16(bytes: $0.baseAddress!) }
  }()
}
