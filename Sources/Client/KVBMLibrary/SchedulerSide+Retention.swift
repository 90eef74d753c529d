import CKVBM
import Synchronization
import Wire

extension SchedulerSide {
  /// Notes how long a range of a request's blocks is worth keeping; told with the request's next
  /// load or store, and to every node that it meets.
  ///
  /// - Throws: `KVBM_STALE`; `KVBM_LIMIT` beyond `retentionCountMax`. Nothing is changed then.
  func retain(_ retention: StepMessage.Retention) throws(CallFailure) {
    try state.withLock { (state) throws(CallFailure) in
      let id = retention.request
      guard let count = state.requests[id]?.retentions.count else { throw .stale }
      guard count < Self.retentionCountMax else {
        throw CallFailure(
          code: Int32(KVBM_LIMIT),
          text: "a request has more than \(Self.retentionCountMax) retentions")
      }
      state.requests[id]?.retentions.append(retention)
      state.requests[id]?.toldIn = nil
    }
  }

  /// Notes that a request's conversation will be back; told as a retention is.
  ///
  /// - Throws: `KVBM_STALE`.
  func expectBack(_ id: UInt64, _ milliseconds: UInt32) throws(CallFailure) {
    try state.withLock { (state) throws(CallFailure) in
      guard state.requests[id] != nil else { throw .stale }
      state.requests[id]?.backMilliseconds = milliseconds
      state.requests[id]?.toldIn = nil
    }
  }

  /// The coming step says what the request wants to be kept, and when it will be back, unless this
  /// node was told.
  func tellWishes(of id: UInt64, _ state: inout State) {
    guard let request = state.requests[id], request.hasWishes,
      let session = link.current()?.session, request.toldIn != session,
      // What has no room goes with a later step of the request's.
      state.retentions.count + request.retentions.count <= WireFormat.retentionCountMax,
      state.returns.count < WireFormat.returnCountMax
    else { return }
    state.retentions += request.retentions
    if let milliseconds = request.backMilliseconds {
      state.returns.append(StepMessage.Return(request: id, milliseconds: milliseconds))
    }
    state.requests[id]?.toldIn = session
  }
}
