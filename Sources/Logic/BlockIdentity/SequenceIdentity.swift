/// What must be equal for blocks to be exchangeable: model, weights, KV dtype, block size, groups.
///
/// The digest of the namespace's canonical description (docs/identity.md).
public struct Namespace: Hashable, Sendable, BitwiseCopyable {
  /// SHA-256 over a tag and the description.
  public let digest: Digest

  /// The namespace of a digest that was made elsewhere.
  public init(digest: Digest) { self.digest = digest }

  /// The namespace of a canonical description; its bytes are hashed as they are.
  public init(description: UnsafeRawBufferPointer) {
    digest = "kvbm.namespace.v1\0".withRawUTF8 { Digest(of: $0, description) }
  }
}

/// What else than its tokens decides a sequence's KV. Empty and absent mean the same.
public struct SequenceIdentity: Hashable, Sendable {
  /// Whose request it is, as the operator's configuration says.
  public var tenant: [UInt8] = []
  /// The request's cache salt.
  public var salt: [UInt8] = []
  /// The content digest of the request's LoRA adapter.
  public var adapter: [UInt8] = []
  /// Random bytes, drawn when the engine's cache was reset without proof that its weights stayed.
  public var epoch: [UInt8] = []

  /// A sequence that its tokens alone decide.
  public init() {}

  /// The parent of a sequence's first block.
  ///
  /// The fields are length-prefixed, so no two identities have one encoding.
  public func root(in namespace: Namespace) -> BlockKey {
    var fields: [UInt8] = []
    for field in [tenant, salt, adapter, epoch] {
      withUnsafeBytes(of: UInt32(field.count).littleEndian) { fields.append(contentsOf: $0) }
      fields.append(contentsOf: field)
    }
    let digest = "kvbm.root.v1\0".withRawUTF8 { tag in
      namespace.digest.withBytes { name in fields.withUnsafeBytes { Digest(of: tag, name, $0) } }
    }
    return digest.withBytes { BlockKey(bytes: $0.baseAddress!) }
  }
}

extension String {
  fileprivate func withRawUTF8<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    var copy = self
    return copy.withUTF8 { body(UnsafeRawBufferPointer($0)) }
  }
}
