import Glibc
import Testing

@testable import KVBMNode

/// Two block sizes on one tiny host tier, under the keeper's own thread.
@Suite("Pressure", .serialized)
struct PressureTests {
  private static let capacityBytes = 16 << 20

  @Test("After a change of model on a full tier its working set is there without a restart")
  func changeOfModel() throws {
    let tier = try TinyTier(capacityBytes: Self.capacityBytes)
    defer { tier.stop() }
    let first = try tier.open("first", layerCount: 100)
    let second = try tier.open("second", layerCount: 200)
    tier.attach(first)
    tier.fill(first)
    tier.detach(first)
    tier.attach(second)
    #expect(tier.use(second, count: 230, until: 230) == 230)
    let counters = tier.counters
    #expect(counters["host_extents_moved_idle", default: 0] > 0)
    // What is still found of all that was stored is right; what was given away is not found.
    _ = tier.use(first, count: 500)
    #expect(tier.wrongCount == 0)
  }

  @Test("A new model gets extents of one that goes on, and both keep their working sets")
  func twoInUse() throws {
    let tier = try TinyTier(capacityBytes: Self.capacityBytes)
    defer { tier.stop() }
    let first = try tier.open("first", layerCount: 100)
    let second = try tier.open("second", layerCount: 200)
    tier.attach(first)
    tier.attach(second)
    tier.fill(first)
    var ready = (0, 0)
    // Half of the tier for the one, a third for the other.
    for _ in 0..<TinyTier.roundCountMax where ready != (250, 90) {
      ready = (tier.use(first, count: 250), tier.use(second, count: 90))
    }
    #expect(ready == (250, 90))
    #expect(tier.movedCount > 0 && tier.movedCount < 64)
    // What is still found of all that was stored is right; what was given away is not found.
    _ = tier.use(first, count: 500)
    #expect(tier.wrongCount == 0)
  }

  @Test("An extent whose blocks are in use is left, and another one given")
  func pinned() throws {
    let tier = try TinyTier(capacityBytes: Self.capacityBytes)
    defer { tier.stop() }
    let first = try tier.open("first", layerCount: 100)
    let second = try tier.open("second", layerCount: 200)
    tier.attach(first)
    tier.fill(first)
    #expect(tier.use(first, count: 40, until: 40) == 40)
    // Promised and never let go, while the other one takes what it can.
    let held = tier.hold(first, count: 40)
    #expect(held == 40)
    tier.attach(second)
    #expect(tier.use(second, count: 180, until: 180) == 180)
    #expect(tier.bytesAreRight(first, count: 40))
  }

  @Test("With memory for a few extents only, they change hands all the same")
  func headroom() throws {
    let tier = try TinyTier(capacityBytes: Self.capacityBytes, limitBytes: 3_500 << 10)
    defer { tier.stop() }
    let first = try tier.open("first", layerCount: 100)
    let second = try tier.open("second", layerCount: 200)
    tier.attach(first)
    tier.fill(first)
    #expect(tier.populatedBytes > 0 && tier.populatedBytes <= 3_500 << 10)
    #expect(tier.shortfall.contains("less memory is left"))
    tier.attach(second)
    #expect(tier.use(second, count: 15, until: 15) == 15)
    #expect(tier.populatedBytes <= 3_500 << 10)
    #expect(tier.movedCount > 0)
  }

  @Test("When memory runs short, extents are given back, and what is left still serves")
  func shrinking() throws {
    let tier = try TinyTier(
      capacityBytes: Self.capacityBytes, limitBytes: 64 << 20, reserveBytes: 8 << 20)
    defer { tier.stop() }
    let first = try tier.open("first", layerCount: 100)
    tier.attach(first)
    tier.fill(first)
    #expect(tier.populatedBytes == Self.capacityBytes)
    tier.setLimit(12 << 20)
    for _ in 0..<TinyTier.roundCountMax where tier.populatedBytes > 8 << 20 { usleep(10_000) }
    // To where half of the reserve is left, and its own overhead; not further.
    #expect(tier.populatedBytes <= 8 << 20 && tier.populatedBytes >= 6 << 20)
    #expect(tier.counters["host_extents_returned", default: 0] >= 8)
    #expect(tier.use(first, count: 40, until: 40) == 40)
  }
}
