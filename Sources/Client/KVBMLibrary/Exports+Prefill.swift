import CKVBM
import Wire

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_scheduler_note_prefill(
  _ scheduler: OpaquePointer!, _ tokens: UInt32, _ context_tokens: UInt64, _ nanoseconds: UInt64
) -> Int32 {
  onScheduler(scheduler) { (side) throws(CallFailure) in
    guard tokens > 0, nanoseconds > 0 else {
      throw .argument("\(tokens) tokens in \(nanoseconds) ns: both must be positive")
    }
    side.note(prefill: tokens, contextTokens: context_tokens, nanoseconds: nanoseconds)
    return Int32(KVBM_OK)
  }
}

extension SchedulerSide {
  /// What some forward passes took; it goes to the node with the next step.
  fileprivate func note(prefill tokens: UInt32, contextTokens: UInt64, nanoseconds: UInt64) {
    state.withLock { state in
      let sums = (
        state.prefill.tokens.addingReportingOverflow(tokens),
        state.prefill.contextTokens.addingReportingOverflow(contextTokens),
        state.prefill.nanoseconds.addingReportingOverflow(nanoseconds)
      )
      // Without a node for that long the first part is as good as all of it.
      guard !sums.0.overflow, !sums.1.overflow, !sums.2.overflow else { return }
      state.prefill.tokens = sums.0.partialValue
      state.prefill.contextTokens = sums.1.partialValue
      state.prefill.nanoseconds = sums.2.partialValue
    }
  }
}
