import CKVBM
import Wire

/// Runs a call on a worker; in a forked child it finds no node.
private func onWorker(
  _ handle: OpaquePointer?, _ body: (WorkerSide) throws(CallFailure) -> Int32
) -> Int32 {
  withObject(handle, WorkerSide.self) { (side) throws(CallFailure) in
    guard !side.isForeign else { throw .unavailable }
    return try body(side)
  }
}

/// Runs a call with a plan's content.
private func withPlan(
  _ handle: OpaquePointer?, _ plan: UnsafePointer<UInt8>?, _ length: Int,
  _ body: (WorkerSide, Plan) -> Void
) -> Int32 {
  onWorker(handle) { (side) throws(CallFailure) in
    let raw = try bytes(plan, length, "plan")
    do throws(WireError) {
      body(side, try Plan(decoding: raw))
    } catch {
      throw .argument("the plan cannot be read: \(error)")
    }
    return Int32(KVBM_OK)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_worker_open(
  _ config: UnsafePointer<kvbm_engine_config>!, _ rank: UInt32, _ first_head: UInt32,
  _ head_count: UInt32, _ copy_threads: UInt32, _ worker: UnsafeMutablePointer<OpaquePointer?>!
) -> Int32 {
  coded { () throws(CallFailure) in
    guard let worker else { throw .argument("worker is null") }
    let side = try WorkerSide(
      try EngineConfig(config), rank: rank, firstHead: first_head, headCount: head_count,
      copyThreads: copy_threads)
    worker.pointee = OpaquePointer(Unmanaged.passRetained(side).toOpaque())
    return Int32(KVBM_OK)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_worker_close(_ worker: OpaquePointer!, _ clean: Int32) {
  guard let worker else { return }
  let handle = Unmanaged<WorkerSide>.fromOpaque(UnsafeRawPointer(worker))
  // A forked child leaves everything as it is: the mappings and locks are its parent's.
  guard !handle.takeUnretainedValue().isForeign else { return }
  let side = handle.takeRetainedValue()
  side.copies.stop()
  side.link.detach(isClean: clean != 0)
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_worker_register(
  _ worker: OpaquePointer!, _ group: UInt32, _ layers: UnsafePointer<kvbm_layer>!,
  _ layer_count: Int, _ device_block_count: UInt32
) -> Int32 {
  onWorker(worker) { (side) throws(CallFailure) in
    guard let layers, layer_count > 0 else { throw .argument("layers is null or empty") }
    try side.register(
      group: group, layers: UnsafeBufferPointer(start: layers, count: layer_count),
      deviceBlockCount: device_block_count)
    return Int32(KVBM_OK)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_worker_attach(_ worker: OpaquePointer!, _ timeout_ms: UInt32) -> Int32 {
  onWorker(worker) { (side) throws(CallFailure) in
    try side.link.attach(timeoutMilliseconds: timeout_ms)
    return Int32(KVBM_OK)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_worker_state(
  _ worker: OpaquePointer!, _ state: UnsafeMutablePointer<kvbm_state>!
) -> Int32 {
  onWorker(worker) { (side) throws(CallFailure) in
    guard let state else { throw .argument("state is null") }
    state.pointee = side.link.report()
    return Int32(KVBM_OK)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_worker_fence(
  _ worker: OpaquePointer!, _ plan: UnsafePointer<UInt8>!, _ length: Int
) -> Int32 {
  withPlan(worker, plan, length) { $0.fence($1) }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_worker_start_loads(
  _ worker: OpaquePointer!, _ plan: UnsafePointer<UInt8>!, _ length: Int
) -> Int32 {
  withPlan(worker, plan, length) { $0.startLoads($1) }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_worker_start_stores(
  _ worker: OpaquePointer!, _ plan: UnsafePointer<UInt8>!, _ length: Int
) -> Int32 {
  withPlan(worker, plan, length) { $0.startStores($1) }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_worker_drop_stores(
  _ worker: OpaquePointer!, _ plan: UnsafePointer<UInt8>!, _ length: Int
) -> Int32 {
  withPlan(worker, plan, length) { $0.dropStores($1) }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_worker_skip_stores(
  _ worker: OpaquePointer!, _ plan: UnsafePointer<UInt8>!, _ length: Int
) -> Int32 {
  withPlan(worker, plan, length) { $0.skipStores($1) }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_worker_poll(
  _ worker: OpaquePointer!, _ results: UnsafeMutablePointer<kvbm_load_result>!, _ capacity: Int
) -> Int32 {
  onWorker(worker) { (side) throws(CallFailure) in
    guard let results, capacity > 0 else { throw .argument("results is null or has no room") }
    let taken = side.copies.takeResults(min(capacity, Int(Int32.max)))
    for (index, result) in taken.enumerated() { results[index] = result }
    return Int32(taken.count)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_worker_wait(_ worker: OpaquePointer!, _ timeout_ms: UInt32) -> Int32 {
  onWorker(worker) { (side) throws(CallFailure) in
    guard side.copies.awaitResult(until: Deadline(afterMilliseconds: timeout_ms)) else {
      throw CallFailure(code: Int32(KVBM_TIMEOUT), text: "no load has ended")
    }
    return Int32(KVBM_OK)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_worker_drain(_ worker: OpaquePointer!, _ timeout_ms: UInt32) -> Int32 {
  onWorker(worker) { (side) throws(CallFailure) in
    guard side.copies.drain(until: Deadline(afterMilliseconds: timeout_ms)) else {
      throw CallFailure(code: Int32(KVBM_TIMEOUT), text: "copies are still running")
    }
    return Int32(KVBM_OK)
  }
}
