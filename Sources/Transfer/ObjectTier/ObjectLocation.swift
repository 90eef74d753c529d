/// Where a shared store is: `file:///directory` or `s3://bucket/prefix`.
public enum ObjectLocation: Hashable, Sendable {
  /// A directory's absolute path.
  case directory(String)
  /// A bucket, and what all names in it begin with; without slashes at either end.
  case bucket(String, prefix: String)

  /// Reads a URL.
  ///
  /// - Throws: `badSetting` with what would be right.
  public init(url: String) throws(ObjectError) {
    let parts = url.split(separator: "/", omittingEmptySubsequences: true).map(String.init)
    if url.hasPrefix("file:///"), parts.count > 1, !url.contains("%") {
      self = .directory("/" + parts.dropFirst().joined(separator: "/"))
    } else if url.hasPrefix("s3://"), parts.count > 1 {
      guard Self.isBucketName(parts[1]) else {
        throw .badSetting(
          "\"\(parts[1])\" is no name of a bucket: 3 to 63 lower-case letters, digits, \".\", \"-\""
        )
      }
      let prefix = parts.dropFirst(2).joined(separator: "/")
      guard prefix.utf8.count <= 512, prefix.utf8.allSatisfy(Self.isPlain) else {
        throw .badSetting(
          "the prefix \"\(prefix)\" may have letters, digits, \"/\", \".\", \"_\", \"-\", \"~\", "
            + "512 of them at most")
      }
      self = .bucket(parts[1], prefix: prefix)
    } else {
      throw .badSetting(
        "\"\(url)\" is no place for objects; it must be file:///directory or s3://bucket/prefix")
    }
  }

  private static func isBucketName(_ name: String) -> Bool {
    (3...63).contains(name.utf8.count)
      && name.utf8.allSatisfy { byte in
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")) ~= byte
          || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
      } && isAlphanumeric(name.utf8.first!) && isAlphanumeric(name.utf8.last!)
      && !name.contains("..")
  }

  /// Stands for itself in a URL, so that what is signed is what is sent.
  private static func isPlain(_ byte: UInt8) -> Bool {
    isAlphanumeric(byte) || "/._-~".utf8.contains(byte)
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")) ~= byte | 0x20
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")) ~= byte
  }
}
