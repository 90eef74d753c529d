/// Numbers that both sides of the socket agree on.
///
/// A node speaks the version before its own as well, in which it is greeted; otherwise node and
/// library refuse each other by number, and the engine serves without cache. In every version the
/// greetings begin with magic and version, and a welcome goes on with its refusal. docs/wire.md has
/// the whole picture.
public enum WireFormat {
  /// The first eight bytes of both greetings.
  public static let helloMagic: UInt64 = 0x314F_4C48_4D42_564B  // "KVBMHLO1"
  /// The protocol's number, which each side compares with the other's; plans carry it too.
  public static let version: UInt32 = 5
  /// The versions that a node understands; libraries speak `version` alone.
  public static let nodeVersions: ClosedRange<UInt32> = 4...version
  /// The version that brought tenants.
  static let tenantVersion: UInt32 = 5
  /// A handshake packet's largest size.
  public static let packetBytesMax = 64 * 1024
  /// A ring message's largest size, header included.
  public static let messageBytesMax = 2 << 20
  /// Keys in one match or store; longer prefixes are asked for as far as this goes.
  public static let keyCountMax = 65_536
  /// What one step's answer grants at most, over all groups: slots of loads, and blocks to store.
  /// Together they stay below `messageBytesMax`.
  public static let loadSlotCountMax = 384 << 10
  public static let storeCountMax = 8_192
  /// Retentions in one step; those of further requests go with a later step of theirs.
  public static let retentionCountMax = 8_192
  /// Requests in one step that say when they will be back; the others say it in a later one.
  public static let returnCountMax = 8_192
  /// Cache groups of one engine.
  public static let groupCountMax = 8
  /// In place of a slot or a device block: the group does not need this position.
  public static let noBlock = UInt32.max
  /// An engine's name of a request is cut to this.
  public static let nameBytesMax = 256
  /// A tenant's name has no more than this.
  public static let tenantBytesMax = 64
  /// The packet that says "this engine stops on purpose".
  public static let goodbye: [UInt8] = Array("bye".utf8)
}
