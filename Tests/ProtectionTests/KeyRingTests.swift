import Glibc
import Testing

@testable import Protection

@Suite("Protection: keys are read from files and variables")
struct KeyRingTests {
  private static let digits = String(repeating: "0123456789abcdef", count: 4)

  private func ring(_ text: String) throws(KeyError) -> KeyRing {
    try KeyRing(text: Array(text.utf8), source: "here")
  }

  @Test("Hexadecimal and Base64 of the same bytes are the same key")
  func spellings() throws {
    let base64 = "ASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4mrze8"
    let spellings = [
      Self.digits, Self.digits.uppercased(), base64, base64 + "=", "\n# made today\r\n \(base64)= ",
    ]
    for spelling in spellings {
      #expect(try ring(spelling).keys.map(\.text) == [Self.digits])
    }
    let two = try ring("\(Self.digits),\n" + String(repeating: "f", count: 64))
    #expect(two.keys.count == 2 && two.current.text == Self.digits)
    #expect(two.key(two.keys[1].id)?.text == String(repeating: "f", count: 64))
    #expect(two.key(two.keys[1].id &+ 1)?.text == nil)
  }

  @Test("What is no key is refused, with its line and without its text")
  func refused() {
    let long = String(repeating: "1", count: 65)
    for text in [
      "secret", long, String(Self.digits.dropLast()) + "g", "A" + String(long.prefix(42)),
      String(repeating: "é", count: 32),
    ] {
      #expect(throws: KeyError.badKey(source: "here", line: 2)) { try ring("# key\n" + text) }
    }
    #expect(throws: KeyError.noKeys(source: "here")) { try ring("") }
    #expect(throws: KeyError.noKeys(source: "here")) { try ring("# none\n\n , \n") }
    #expect(throws: KeyError.twice(source: "here", line: 3)) {
      try ring("\(Self.digits)\n\n\(Self.digits.uppercased())")
    }
    let many = (10..<75).map { String(repeating: "\($0)", count: 32) }.joined(separator: ",")
    #expect(throws: KeyError.tooMany(source: "here")) { try ring(many) }
    #expect(!KeyError.badKey(source: "here", line: 2).description.contains("secret"))
  }

  @Test("A file that others can read or change is refused")
  func files() throws {
    let path = "/tmp/kvbm-keys-\(getpid())"
    unlink(path)
    defer { unlink(path) }
    #expect(throws: KeyError.unreadable(path: path, errno: ENOENT)) { try KeyRing(source: path) }
    let fd = open(path, O_CREAT | O_WRONLY, 0o600)
    #expect(write(fd, Self.digits, 64) == 64)
    close(fd)
    for mode: mode_t in [0o600, 0o400, 0o440, 0o640] {
      chmod(path, mode)
      #expect(try KeyRing(source: path).current.text == Self.digits)
    }
    for mode: mode_t in [0o604, 0o602, 0o660, 0o644, 0o601] {
      chmod(path, mode)
      #expect(throws: KeyError.exposed(path: path, mode: mode)) { try KeyRing(source: path) }
    }
    #expect(throws: KeyError.unreadable(path: "/tmp", errno: EISDIR)) {
      try KeyRing(source: "/tmp")
    }
  }

  @Test("A variable is named, never its value")
  func variables() throws {
    setenv("KEYS_OF_A_TEST", Self.digits, 1)
    #expect(try KeyRing(source: "env:KEYS_OF_A_TEST").current.text == Self.digits)
    setenv("KEYS_OF_A_TEST", "secret", 1)
    #expect(throws: KeyError.badKey(source: "the variable KEYS_OF_A_TEST", line: 1)) {
      try KeyRing(source: "env:KEYS_OF_A_TEST")
    }
    unsetenv("KEYS_OF_A_TEST")
    #expect(throws: KeyError.noVariable(name: "KEYS_OF_A_TEST")) {
      try KeyRing(source: "env:KEYS_OF_A_TEST")
    }
  }

  @Test("New keys differ")
  func new() throws {
    let first = try #require(SecretKey.random())
    let second = try #require(SecretKey.random())
    #expect(first.text != second.text && first.id != second.id)
    #expect(try ring(first.text).current.id == first.id)
  }
}
