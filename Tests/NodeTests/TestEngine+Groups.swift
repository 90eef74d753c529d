import CKVBM
import Foundation
import KVBMNode

@testable import KVBMLibrary

/// Requests of several groups: a row of device blocks for each, nil where there is none.
extension TestEngine {
  private func flat(_ rows: [[Int?]]) -> [UInt32] {
    rows.flatMap { $0 }.map { $0.map(UInt32.init) ?? noBlock }
  }

  /// Offers the request's first blocks; the code of the call.
  func offer(_ request: UInt64, _ rows: [[Int?]]) -> Int32 {
    kvbm_request_store(scheduler, request, 0, UInt32(rows[0].count), flat(rows))
  }

  /// Takes a match up; the code of the call.
  func takeUp(_ request: UInt64, from first: Int = 0, _ rows: [[Int?]]) -> Int32 {
    kvbm_request_load(scheduler, request, UInt32(first), UInt32(rows[0].count), flat(rows))
  }

  /// Takes a match up and lets the worker load; how many blocks came.
  func load(_ request: UInt64, from first: Int = 0, _ rows: [[Int?]]) -> Int? {
    guard takeUp(request, from: first, rows) == 0 else { return nil }
    return step().first { $0.request == request }.map { Int($0.loaded_blocks) }
  }

  /// Settles the step; its plan.
  func plan() -> [UInt8] {
    var plan = [UInt8](repeating: 0, count: 1 << 16)
    var length = 0
    _ = kvbm_scheduler_step(scheduler, nil, 0, &plan, plan.count, &length)
    return Array(plan.prefix(length))
  }

  /// Flips a byte of every block that a group of the plan's first load gets, in host memory.
  func damage(_ plan: [UInt8], group: Int) throws {
    let side = Unmanaged<WorkerSide>.fromOpaque(UnsafeRawPointer(worker)).takeUnretainedValue()
    let copies = try plan.withUnsafeBytes { try Plan(decoding: $0) }.loads[0].rows[group].copies
    for copy in copies {
      let slots = side.link.current()?.slots[group]
      guard let slot = slots?.address(of: copy.slot) else { throw POSIXError(.ENOENT) }
      let byte = slot + 4096 + 17
      byte.storeBytes(of: ~byte.load(as: UInt8.self), as: UInt8.self)
    }
  }

  /// Carries a plan's loads out; how many blocks of the request came.
  func load(_ plan: [UInt8], of request: UInt64) -> Int? {
    _ = kvbm_worker_start_loads(worker, plan, plan.count)
    _ = kvbm_worker_drain(worker, 5_000)
    var result = kvbm_load_result()
    guard kvbm_worker_poll(worker, &result, 1) == 1, result.request == request else { return nil }
    return Int(result.loaded_blocks)
  }

  /// All bytes of the device but those of some blocks.
  func bytes(without blocks: [Int]) -> [UInt8] {
    var bytes = Array(UnsafeRawBufferPointer(start: device, count: Self.deviceBytes))
    for layer in 0..<Self.layerCount {
      for block in blocks {
        let start = (layer * Self.deviceBlockCount + block) * Self.blockBytes
        for offset in start..<(start + Self.blockBytes) { bytes[offset] = 0 }
      }
    }
    return bytes
  }
}

/// `KVBM_NO_BLOCK`, which Swift does not import.
private let noBlock = UInt32.max

extension TestNode {
  /// Waits until so many blocks are complete in host memory; false when they are not in time.
  func waitForBlocks(_ count: Int) throws -> Bool {
    for _ in 0..<1_000 {
      let status = try NodeStatistics(json: try NodeQuestion.status.ask(socketPath: socketPath))
      let complete = status.tiers.reduce(0) { $1.tier == "host" ? $0 + $1.cached + $1.pinned : $0 }
      if complete == count { return true }
      usleep(5_000)
    }
    return false
  }
}
