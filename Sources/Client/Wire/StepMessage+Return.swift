extension StepMessage {
  /// When a request's conversation will be back.
  public struct Return: Equatable, Sendable {
    /// The scheduler's number for the request.
    public var request: UInt64
    /// So long after the request's end.
    public var milliseconds: UInt32

    /// A return as given.
    public init(request: UInt64, milliseconds: UInt32) {
      self.request = request
      self.milliseconds = milliseconds
    }

    /// Appends the fields, `byteCount` of them.
    func encode(to writer: inout ByteWriter) {
      writer.put(request)
      writer.put(milliseconds)
    }

    /// Reads a return, which others may follow.
    init(from reader: inout ByteReader) throws(WireError) {
      request = try reader.take()
      milliseconds = try reader.take()
    }

    /// Bytes of one.
    static let byteCount = 12
  }
}
