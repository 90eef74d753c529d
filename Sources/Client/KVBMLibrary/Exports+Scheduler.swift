import BlockIdentity
import CKVBM

/// Runs a call on a scheduler; in a forked child it finds no node.
func onScheduler(
  _ handle: OpaquePointer?, _ body: (SchedulerSide) throws(CallFailure) -> Int32
) -> Int32 {
  withObject(handle, SchedulerSide.self) { (side) throws(CallFailure) in
    guard !side.isForeign else { throw .unavailable }
    return try body(side)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_scheduler_open(
  _ config: UnsafePointer<kvbm_engine_config>!,
  _ scheduler: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  coded { () throws(CallFailure) in
    guard let scheduler else { throw .argument("scheduler is null") }
    let side = SchedulerSide(try EngineConfig(config))
    scheduler.pointee = OpaquePointer(Unmanaged.passRetained(side).toOpaque())
    return Int32(KVBM_OK)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_scheduler_close(_ scheduler: OpaquePointer!, _ clean: Int32) {
  guard let scheduler else { return }
  let handle = Unmanaged<SchedulerSide>.fromOpaque(UnsafeRawPointer(scheduler))
  // A forked child leaves everything as it is: the mappings and locks are its parent's.
  guard !handle.takeUnretainedValue().isForeign else { return }
  handle.takeRetainedValue().link.detach(isClean: clean != 0)
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_scheduler_attach(_ scheduler: OpaquePointer!, _ timeout_ms: UInt32) -> Int32 {
  onScheduler(scheduler) { (side) throws(CallFailure) in
    try side.link.attach(timeoutMilliseconds: timeout_ms)
    return Int32(KVBM_OK)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_scheduler_state(
  _ scheduler: OpaquePointer!, _ state: UnsafeMutablePointer<kvbm_state>!
) -> Int32 {
  onScheduler(scheduler) { (side) throws(CallFailure) in
    guard let state else { throw .argument("state is null") }
    state.pointee = side.link.report()
    return Int32(KVBM_OK)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_request_begin(
  _ scheduler: OpaquePointer!, _ identity: UnsafePointer<kvbm_request_identity>!,
  _ request: UnsafeMutablePointer<UInt64>!
) -> Int32 {
  onScheduler(scheduler) { (side) throws(CallFailure) in
    guard let request, let given = identity?.pointee else {
      throw .argument("identity or request is null")
    }
    var identity = SequenceIdentity()
    identity.tenant = Array(try bytes(given.tenant, given.tenant_length, "tenant"))
    identity.salt = Array(try bytes(given.salt, given.salt_length, "salt"))
    identity.adapter = Array(try bytes(given.adapter, given.adapter_length, "adapter"))
    identity.epoch = Array(try bytes(given.epoch, given.epoch_length, "epoch"))
    request.pointee = try side.begin(identity)
    return Int32(KVBM_OK)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_request_name(
  _ scheduler: OpaquePointer!, _ request: UInt64, _ name: UnsafePointer<CChar>!
) -> Int32 {
  onScheduler(scheduler) { (side) throws(CallFailure) in
    guard let name else { throw .argument("name is null") }
    try side.name(request, EngineConfig.text(name))
    return Int32(KVBM_OK)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_request_append(
  _ scheduler: OpaquePointer!, _ request: UInt64, _ tokens: UnsafePointer<UInt32>!, _ count: Int
) -> Int32 {
  onScheduler(scheduler) { (side) throws(CallFailure) in
    guard count >= 0, tokens != nil || count == 0 else { throw .argument("tokens is null") }
    try side.append(request, UnsafeBufferPointer(start: tokens, count: count))
    return Int32(KVBM_OK)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_request_content(
  _ scheduler: OpaquePointer!, _ request: UInt64, _ position: UInt32, _ count: UInt32,
  _ digest: UnsafePointer<UInt8>!, _ digest_length: Int
) -> Int32 {
  onScheduler(scheduler) { (side) throws(CallFailure) in
    let content = BlockContent(
      position: Int(position), tokenCount: Int(count),
      digest: Array(try bytes(digest, digest_length, "digest")))
    guard let content else {
      throw .argument(
        "the content has \(count) tokens from \(position) on and a digest of \(digest_length) "
          + "bytes; it must have a token and 1 to \(BlockContent.digestBytesMax) bytes")
    }
    try side.add(request, content)
    return Int32(KVBM_OK)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_request_block_count(_ scheduler: OpaquePointer!, _ request: UInt64) -> Int64 {
  var count: Int64 = 0
  let code = onScheduler(scheduler) { (side) throws(CallFailure) in
    count = try side.blockCount(request)
    return Int32(KVBM_OK)
  }
  return code == Int32(KVBM_OK) ? count : Int64(code)
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_request_keys(
  _ scheduler: OpaquePointer!, _ request: UInt64, _ first_block: UInt32, _ block_count: UInt32,
  _ keys: UnsafeMutablePointer<UInt8>!
) -> Int32 {
  onScheduler(scheduler) { (side) throws(CallFailure) in
    guard keys != nil || block_count == 0 else { throw .argument("keys is null") }
    try side.copyKeys(request, first_block, block_count, to: UnsafeMutableRawPointer(keys))
    return Int32(KVBM_OK)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_request_match(
  _ scheduler: OpaquePointer!, _ request: UInt64, _ first_block: UInt32, _ block_count: UInt32,
  _ match: UnsafeMutablePointer<kvbm_match>!
) -> Int32 {
  onScheduler(scheduler) { (side) throws(CallFailure) in
    guard let match else { throw .argument("match is null") }
    match.pointee = kvbm_match()
    match.pointee = try side.match(request, first_block, block_count)
    return Int32(KVBM_OK)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_request_load(
  _ scheduler: OpaquePointer!, _ request: UInt64, _ first_block: UInt32, _ block_count: UInt32,
  _ device_blocks: UnsafePointer<UInt32>!
) -> Int32 {
  onScheduler(scheduler) { (side) throws(CallFailure) in
    try side.load(request, first_block, block_count, device_blocks)
    return Int32(KVBM_OK)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_request_store(
  _ scheduler: OpaquePointer!, _ request: UInt64, _ first_block: UInt32, _ block_count: UInt32,
  _ device_blocks: UnsafePointer<UInt32>!
) -> Int32 {
  onScheduler(scheduler) { (side) throws(CallFailure) in
    try side.store(request, first_block, block_count, device_blocks)
    return Int32(KVBM_OK)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_request_end(_ scheduler: OpaquePointer!, _ request: UInt64) -> Int32 {
  onScheduler(scheduler) { (side) throws(CallFailure) in
    try side.end(request)
    return Int32(KVBM_OK)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_scheduler_step(
  _ scheduler: OpaquePointer!, _ fences: UnsafePointer<UInt32>!, _ fence_count: Int,
  _ plan: UnsafeMutablePointer<UInt8>!, _ capacity: Int, _ length: UnsafeMutablePointer<Int>!
) -> Int32 {
  onScheduler(scheduler) { (side) throws(CallFailure) in
    guard let length, fence_count >= 0, fences != nil || fence_count == 0, capacity >= 0,
      plan != nil || capacity == 0
    else { throw .argument("fences, plan or length is null") }
    length.pointee = 0
    do throws(CallFailure) {
      length.pointee = try side.step(
        fences: UnsafeBufferPointer(start: fences, count: fence_count),
        into: UnsafeMutableRawBufferPointer(start: plan, count: capacity))
    } catch {
      length.pointee = side.retainedPlanBytes
      throw error
    }
    return Int32(KVBM_OK)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_scheduler_stats(
  _ scheduler: OpaquePointer!, _ json: UnsafeMutablePointer<CChar>!, _ capacity: Int,
  _ length: UnsafeMutablePointer<Int>!
) -> Int32 {
  onScheduler(scheduler) { (side) throws(CallFailure) in
    guard let length, capacity >= 0, json != nil || capacity == 0 else {
      throw .argument("json or length is null")
    }
    length.pointee = 0
    do throws(CallFailure) {
      length.pointee = try side.statistics(
        into: UnsafeMutableRawBufferPointer(start: json, count: capacity))
    } catch {
      length.pointee = side.retainedStatisticsBytes
      throw error
    }
    return Int32(KVBM_OK)
  }
}
