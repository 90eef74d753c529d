import CCurl

/// What follows from one attempt at a request.
enum S3Verdict: Hashable {
  /// The job has ended.
  case ended(ObjectOutcome)
  /// A put found its object there.
  case existing
  /// A get found an object of another length.
  case damaged
  /// It may be better the next time.
  case again(ObjectError)
  /// The server does not know conditional puts.
  case withoutCondition
}

/// What one attempt was.
struct S3Attempt {
  /// Of the job.
  let operation: ObjectJob.Operation
  /// Whether it was put only if nothing was there.
  let isConditional: Bool
  /// For messages.
  let bucket: String
  /// libcurl's.
  let code: Int32
  /// libcurl's words for it.
  let text: String
  /// Whether the job's time is over.
  let isLate: Bool
}

extension S3Answer {
  /// Judges an attempt. Pure.
  func verdict(_ attempt: S3Attempt) -> S3Verdict {
    let isCutShort = attempt.code == Int32(CCURL_WRITE_ERROR.rawValue)
    if attempt.code != 0 && !(isCutShort && status != 0) { return transportVerdict(attempt) }
    switch status {
    case 200...299: return successVerdict(attempt)
    case 404:
      if code == "NoSuchBucket" { return .ended(.failed(.noBucket(attempt.bucket))) }
      if case .put = attempt.operation { return .ended(.failed(refusal)) }
      return .ended(.missing)
    case 412 where attempt.isConditional: return .existing
    case _ where attempt.isConditional && (status == 501 || code == "NotImplemented"):
      return .withoutCondition
    case 408, 409, 429, 500...599: return .again(.unavailable(status: status, code: code))
    case _ where code == "RequestTimeout": return .again(.unavailable(status: status, code: code))
    default: return .ended(.failed(refusal))
    }
  }

  private func transportVerdict(_ attempt: S3Attempt) -> S3Verdict {
    switch attempt.code {
    case Int32(CCURL_OPERATION_TIMEDOUT.rawValue) where attempt.isLate:
      return .ended(.failed(.timedOut))
    case Int32(CCURL_PEER_FAILED_VERIFICATION.rawValue),
      Int32(CCURL_SSL_CACERT_BADFILE.rawValue), Int32(CCURL_UNSUPPORTED_PROTOCOL.rawValue):
      return .ended(.failed(.network(attempt.text)))
    default: return .again(.network(attempt.text))
    }
  }

  private func successVerdict(_ attempt: S3Attempt) -> S3Verdict {
    switch attempt.operation {
    case .put:
      return isErrorText ? .again(.unavailable(status: status, code: code)) : .ended(.done)
    case .get(_, let byteCount):
      if status == 200, isObject(byteCount: byteCount) {
        if objectBytes == byteCount && attempt.code == 0 { return .ended(.done) }
        // Less than the head said is an error of the transport; without a length it shows here.
        return attempt.code == 0 ? .again(.network("the answer ended early")) : .damaged
      }
      guard status == 200, contentType == Self.contentType else {
        return .ended(
          .failed(.notAnObject("HTTP \(status), \(contentType.isEmpty ? "no type" : contentType)")))
      }
      return .damaged
    case .look:
      return .ended(status == 200 ? .done : .failed(.notAnObject("HTTP \(status)")))
    case .remove: return .ended(.done)
    }
  }

  /// What is wrong when no other attempt would help.
  private var refusal: ObjectError {
    switch (status, code) {
    case (_, "RequestTimeTooSkewed"): .clockSkew(serverTime: date)
    case (301, _), (307, _), (_, "AuthorizationHeaderMalformed"), (_, "PermanentRedirect"):
      .wrongRegion(region)
    case (401, _), (403, _), (_, "InvalidToken"), (_, "ExpiredToken"):
      .denied(code: code.isEmpty ? "HTTP \(status)" : code)
    default: .refused(status: status, code: code)
    }
  }
}
