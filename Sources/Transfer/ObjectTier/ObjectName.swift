import BlockIdentity
import KVLayout

/// The name of an object: equal names mean equal content, from whichever node.
public struct ObjectName: Hashable, Sendable {
  /// The first 16 bytes of the namespace's digest.
  public var namespace: Bytes16
  /// The block's key, with its group folded in.
  public var key: BlockKey
  /// Of the slot that the object is; another format's objects have other names.
  public var format: UInt16

  /// A name of three parts.
  public init(namespace: Bytes16, key: BlockKey, format: UInt16) {
    self.namespace = namespace
    self.key = key
    self.format = format
  }

  /// The name of a block of a namespace.
  public init(namespace: Namespace, key: BlockKey, format: UInt16) {
    self.init(
      namespace: namespace.digest.withBytes { Bytes16(bytes: $0.baseAddress!) }, key: key,
      format: format)
  }

  /// The folder of the namespace's objects: 32 hexadecimal digits.
  var namespaceFolder: String { hexadecimal { namespace.store(to: $0) } }

  /// The folder in it: the first two digits of the key.
  var shardFolder: String { String(key.description.prefix(2)) }

  /// The last part of the name: the key's 32 digits, a point, the format.
  var file: String { "\(key).\(format)" }

  /// From the store's root on, with no slash before it.
  public var path: String { "\(namespaceFolder)/\(shardFolder)/\(file)" }

  private func hexadecimal(_ store: (UnsafeMutableRawPointer) -> Void) -> String {
    withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { bytes in
      store(bytes.baseAddress!)
      return HexText.string(UnsafeRawBufferPointer(bytes))
    }
  }
}

/// Lower-case hexadecimal digits: made, and recognised.
enum HexText {
  private static let digits = Array("0123456789abcdef".utf8)

  /// Two digits a byte.
  static func string(_ bytes: some Sequence<UInt8>) -> String {
    var text: [UInt8] = []
    for byte in bytes { text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
    return String(decoding: text, as: UTF8.self)
  }

  /// Whether a text is `count` such digits and nothing else.
  static func isDigits(_ text: Substring, count: Int) -> Bool {
    text.utf8.count == count && text.utf8.allSatisfy { digits.contains($0) }
  }
}
