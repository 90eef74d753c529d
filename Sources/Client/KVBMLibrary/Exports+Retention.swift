import CKVBM
import Wire

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_request_retain(
  _ scheduler: OpaquePointer!, _ request: UInt64, _ retention: UnsafePointer<kvbm_retention>!
) -> Int32 {
  onScheduler(scheduler) { (side) throws(CallFailure) in
    guard let given = retention?.pointee else { throw .argument("retention is null") }
    guard given.first_block < given.end_block else {
      throw .argument(
        "the retention is of blocks \(given.first_block)..<\(given.end_block): there are none")
    }
    guard given.priority <= StepMessage.Retention.priorityMax else {
      throw .argument("priority \(given.priority) is not one of 0 to 100")
    }
    guard given.pin == 0 || given.pin == 1 && given.duration_ms > 0 else {
      throw .argument("pin is 0, or 1 with a duration: nothing is pinned for ever")
    }
    try side.retain(
      StepMessage.Retention(
        request: request, firstBlock: given.first_block, endBlock: given.end_block,
        priority: given.priority, durationMilliseconds: given.duration_ms,
        isPinned: given.pin == 1))
    return Int32(KVBM_OK)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_request_tenant(
  _ scheduler: OpaquePointer!, _ request: UInt64, _ tenant: UnsafePointer<CChar>!
) -> Int32 {
  onScheduler(scheduler) { (side) throws(CallFailure) in
    let name = EngineConfig.text(tenant)
    guard (1...WireFormat.tenantBytesMax).contains(name.utf8.count) else {
      throw .argument(
        "tenant has \(name.utf8.count) bytes; it must have 1 to \(WireFormat.tenantBytesMax)")
    }
    try side.pay(request, name)
    return Int32(KVBM_OK)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_request_expect_back(
  _ scheduler: OpaquePointer!, _ request: UInt64, _ milliseconds: UInt32
) -> Int32 {
  onScheduler(scheduler) { (side) throws(CallFailure) in
    try side.expectBack(request, milliseconds)
    return Int32(KVBM_OK)
  }
}
