import CCurl

/// libcurl as this process found it.
public final class CurlLibrary: @unchecked Sendable {
  /// The table of its functions, which stays valid.
  let table: OpaquePointer
  /// As in "libcurl/7.88.1 OpenSSL/3.0.15", with further parts behind them.
  public var version: String { String(cString: ccurl_version(table)) }

  /// Loads it.
  ///
  /// - Throws: `noLibrary` when it is not there, older than 7.68 or without TLS.
  public init(file: String = "libcurl.so.4") throws(ObjectError) {
    var reason = [CChar](repeating: 0, count: 512)
    guard let table = ccurl_open(file, &reason, reason.count) else {
      throw .noLibrary(reason.withUnsafeBufferPointer { String(cString: $0.baseAddress!) })
    }
    self.table = table
  }

  /// A code as text.
  func text(_ code: Int32) -> String { String(cString: ccurl_text(table, code)) }
}

/// The options of one transfer; the first that is refused is kept.
struct CurlOptions {
  let curl: CurlLibrary
  let easy: OpaquePointer
  private(set) var code: Int32 = 0

  /// Options of a handle that were all forgotten.
  init(_ curl: CurlLibrary, _ easy: OpaquePointer) {
    self.curl = curl
    self.easy = easy
    ccurl_easy_reset(curl.table, easy)
  }

  /// Sets a number.
  mutating func set(_ option: ccurl_option, _ value: Int) {
    note(ccurl_set_number(curl.table, easy, option, Int64(value)))
  }

  /// Sets a text, which the library copies.
  mutating func set(_ option: ccurl_option, _ value: String) {
    note(ccurl_set_pointer(curl.table, easy, option, value))
  }

  /// Sets memory or a list that has to stay until the transfer has ended.
  mutating func set(_ option: ccurl_option, _ value: UnsafeRawPointer) {
    note(ccurl_set_pointer(curl.table, easy, option, value))
  }

  /// Sets who receives.
  mutating func setReceivers(
    body: @escaping ccurl_receiver, head: @escaping ccurl_receiver,
    context: UnsafeMutableRawPointer
  ) {
    note(ccurl_set_receivers(curl.table, easy, body, head, context))
  }

  private mutating func note(_ result: Int32) { if code == 0 { code = result } }
}
