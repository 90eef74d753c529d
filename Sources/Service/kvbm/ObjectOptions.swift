import ArgumentParser
import KVBMNode
import KVLayout

/// The object store's flags of `kvbm serve`.
struct ObjectOptions: ParsableArguments {
  @Option(help: "Shared object store (G4): file:///DIR or s3://BUCKET/PREFIX. [KVBM_OBJECT_URL]")
  var objectUrl: String?

  @Option(
    help: "Where the bucket is, if not at Amazon's: https://HOST:PORT. [KVBM_OBJECT_ENDPOINT]")
  var objectEndpoint: String?

  @Option(
    help: "What all nodes together keep in the directory. [KVBM_OBJECT_CAPACITY]",
    transform: ByteSize.parse)
  var objectCapacity: ByteSize?

  @Option(
    help: "Days after which objects go that nobody used, 0 for never. [KVBM_OBJECT_EXPIRE_DAYS]")
  var objectExpireDays: Int?

  @Option(
    help: """
      Whether objects are authenticated with a key, "on" or "off"; on by default. \
      [KVBM_OBJECT_AUTHENTICATION]
      """, transform: ObjectAuthentication.parse)
  var objectAuthentication: ObjectAuthentication?

  @Option(
    help: "Whether objects are encrypted: \(Encryption.remedy). [KVBM_OBJECT_ENCRYPTION]",
    transform: Encryption.parse)
  var objectEncryption: Encryption?

  /// Flags, then variables; nil without a store.
  ///
  /// - Throws: A validation error for what needs a store, where there is none.
  func resolved() throws -> NodeConfiguration.Object? {
    let endpoint = objectEndpoint ?? Environment.text("KVBM_OBJECT_ENDPOINT")
    let capacity = try objectCapacity ?? Environment.byteSize("KVBM_OBJECT_CAPACITY")
    let days = try objectExpireDays ?? Environment.integer("KVBM_OBJECT_EXPIRE_DAYS")
    let authentication = try objectAuthentication ?? ObjectAuthentication.variable()
    let encryption = try objectEncryption ?? Encryption.variable("KVBM_OBJECT_ENCRYPTION")
    guard let url = objectUrl ?? Environment.text("KVBM_OBJECT_URL") else {
      guard endpoint == nil, capacity == nil, days == nil, authentication == nil, encryption == nil
      else {
        throw ValidationError(
          "--object-endpoint, --object-capacity, --object-expire-days, --object-authentication and "
            + "--object-encryption need --object-url, file:///directory or s3://bucket/prefix")
      }
      return nil
    }
    var object = NodeConfiguration.Object(url: url)
    object.endpoint = endpoint
    object.capacityBytes = capacity?.bytes
    object.protection = try protection(authentication, encryption)
    if let days, days != 0 { object.expireDays = days }
    return object
  }

  private func protection(
    _ authentication: ObjectAuthentication?, _ encryption: Encryption?
  ) throws -> SlotProtection.Form {
    guard encryption?.form == .encrypted else {
      return authentication == .off ? .plain : .authenticated
    }
    guard authentication != .off else {
      throw ValidationError(
        "--object-authentication is \"off\"; it must be left out beside --object-encryption, which "
          + "authenticates as well")
    }
    return .encrypted
  }
}
