import CCurl
import Glibc

/// A job on its way through one or more requests. Only the store's thread touches it.
final class S3Transfer {
  /// What was asked for.
  let job: ObjectJob
  /// What the request at hand is for: the job's operation, or a delete of what a get found damaged.
  private(set) var operation: ObjectJob.Operation
  /// Requests that were sent for the operation.
  private(set) var attemptCount = 0
  /// When the next request may be sent, on the monotonic clock.
  private(set) var notBefore: UInt64 = 0
  /// Why the last request did not do.
  private(set) var lastError: ObjectError?
  /// What the server has answered to the request at hand.
  fileprivate(set) var answer = S3Answer()
  /// Whether the request at hand is a put that must find nothing.
  private(set) var isConditional = false
  private var lines: OpaquePointer?
  private let text = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CCURL_ERROR_BYTES))

  /// A job that no request was sent for.
  init(_ job: ObjectJob) {
    self.job = job
    operation = job.operation
  }

  deinit { text.deallocate() }

  /// Whether a get found an object of a wrong length, and deletes it.
  var isCleaning: Bool {
    if case .get = job.operation, case .remove = operation { return true }
    return false
  }

  /// Has the object deleted that was just read.
  func clean() {
    operation = .remove
    attemptCount = 0
    notBefore = 0
  }

  /// Puts the next request off, ever longer: 50 ms at first, 2 s at most, less a random part.
  func delay(after error: ObjectError) {
    lastError = error
    let wait = min(2_000, 50 << min(attemptCount - 1, 6))
    notBefore = MonotonicClock.now + UInt64(Int.random(in: wait / 2...wait)) * 1_000_000
  }

  /// Has the next request sent at once.
  func hurry() { notBefore = 0 }

  /// libcurl's words for how the request ended, or its words for the code.
  func text(_ code: Int32, _ curl: CurlLibrary) -> String {
    text[0] == 0 ? curl.text(code) : String(cString: text)
  }

  /// Sets a handle up for the next request; libcurl's code.
  func begin(
    _ curl: CurlLibrary, _ easy: OpaquePointer, endpoint: S3Endpoint, signer: S3Signer,
    caFile: String?, isConditional: Bool
  ) -> Int32 {
    attemptCount += 1
    answer = S3Answer()
    text[0] = 0
    var options = CurlOptions(curl, easy)
    options.setReceivers(
      body: { bytes, size, count, context in
        S3Transfer.of(context).receiveBody(
          UnsafeRawBufferPointer(start: bytes, count: size * count))
      },
      head: { bytes, size, count, context in
        S3Transfer.of(context).answer.receive(
          line: UnsafeRawBufferPointer(start: bytes, count: size * count))
        return size * count
      }, context: Unmanaged.passUnretained(self).toOpaque())
    let path = "\(endpoint.pathPrefix)\(job.name.path)"
    options.set(CCURL_URL, "\(endpoint.base)\(path)")
    self.isConditional = false
    switch operation {
    case .put(let memory, let byteCount):
      self.isConditional = isConditional
      options.set(CCURL_POST, 1)
      options.set(CCURL_POSTFIELDSIZE_LARGE, byteCount)
      options.set(CCURL_POSTFIELDS, UnsafeRawPointer(memory.pointer))
    case .get: options.set(CCURL_HTTPGET, 1)
    case .look: options.set(CCURL_NOBODY, 1)
    case .remove: break
    }
    options.set(CCURL_CUSTOMREQUEST, method)
    release(curl)
    for line in head(path: path, endpoint: endpoint, signer: signer) {
      lines = ccurl_list_add(curl.table, lines, line)
    }
    if let lines { options.set(CCURL_HTTPHEADER, UnsafeRawPointer(lines)) }
    setLimits(&options, caFile: caFile)
    // Older releases do not know it, and may wait for a name server longer than they should.
    ccurl_set_number(curl.table, easy, CCURL_QUICK_EXIT, 1)
    return options.code
  }

  /// Frees what the request at hand had; it is not under way any more.
  func release(_ curl: CurlLibrary) {
    if let lines { ccurl_list_free(curl.table, lines) }
    lines = nil
  }

  private func setLimits(_ options: inout CurlOptions, caFile: String?) {
    let now = MonotonicClock.now
    let left = Int(min(job.deadline > now ? (job.deadline - now) / 1_000_000 : 0, 86_400_000)) + 1
    options.set(CCURL_TIMEOUT_MS, left)
    options.set(CCURL_CONNECTTIMEOUT_MS, min(left, Self.connectMilliseconds))
    options.set(CCURL_LOW_SPEED_LIMIT, 1)
    options.set(CCURL_LOW_SPEED_TIME, Self.silenceSeconds)
    options.set(CCURL_ERRORBUFFER, UnsafeRawPointer(text))
    options.set(CCURL_NOSIGNAL, 1)
    options.set(CCURL_HTTP_VERSION, Int(CCURL_HTTP_1_1))
    options.set(CCURL_PROTOCOLS, Int(CCURL_ONLY_HTTP_AND_HTTPS))
    options.set(CCURL_FOLLOWLOCATION, 0)
    options.set(CCURL_SSL_VERIFYPEER, 1)
    options.set(CCURL_SSL_VERIFYHOST, 2)
    options.set(CCURL_SSLVERSION, Int(CCURL_TLS_1_2))
    options.set(CCURL_TCP_KEEPALIVE, 1)
    options.set(CCURL_BUFFERSIZE, Self.bufferBytes)
    options.set(CCURL_UPLOAD_BUFFERSIZE, Self.bufferBytes)
    options.set(CCURL_USERAGENT, "swift-kvbm")
    if let caFile { options.set(CCURL_CAINFO, caFile) }
  }

  private var method: String {
    switch operation {
    case .put: "PUT"
    case .get: "GET"
    case .look: "HEAD"
    case .remove: "DELETE"
    }
  }

  /// The lines of the request's head, signed now.
  private func head(path: String, endpoint: S3Endpoint, signer: S3Signer) -> [String] {
    let timestamp = S3Signer.timestamp(time(nil))
    var payload = S3Signer.emptyPayload
    var signed = [(name: "host", value: endpoint.host)]
    var others = ["Expect:", "Accept:"]
    if case .put = operation {
      payload = S3Signer.unsignedPayload
      signed.insert((name: "content-type", value: S3Answer.contentType), at: 0)
      if isConditional { others.append("If-None-Match: *") }
    }
    signed.append((name: "x-amz-content-sha256", value: payload))
    signed.append((name: "x-amz-date", value: timestamp))
    if let token = signer.credentials.sessionToken {
      signed.append((name: "x-amz-security-token", value: token))
    }
    let authorization = signer.authorization(
      method: method, path: path, headers: signed, payload: payload, timestamp: timestamp)
    return signed.map { "\($0.name): \($0.value)" } + ["Authorization: \(authorization)"] + others
  }

  private func receiveBody(_ bytes: UnsafeRawBufferPointer) -> Int {
    var memory: UnsafeMutableRawBufferPointer?
    if case .get(let address, let byteCount) = operation {
      memory = UnsafeMutableRawBufferPointer(start: address.pointer, count: byteCount)
    }
    // No number of bytes that could be right: libcurl gives up then.
    return answer.receive(body: bytes, into: memory) ? bytes.count : bytes.count + 1
  }

  private static func of(_ context: UnsafeMutableRawPointer?) -> S3Transfer {
    Unmanaged<S3Transfer>.fromOpaque(context!).takeUnretainedValue()
  }

  private static let connectMilliseconds = 3_000
  private static let silenceSeconds = 10
  private static let bufferBytes = 512 << 10
}
