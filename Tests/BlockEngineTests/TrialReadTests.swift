import BlockEngine
import Testing

@Suite("Trials of the disk")
struct TrialReadTests {
  @Test("A disk's speed is known from its trial, and what is really read counts more")
  func trial() throws {
    var rig = try Rig(disk: 8)
    #expect(!rig.engine.diskFigures.isKnown)
    // 100 nanoseconds, and two for a byte.
    let reads = (0..<12).map { $0 % 3 == 0 ? (4096, UInt64(8292)) : (131_072, UInt64(262_244)) }
    rig.engine.note(trialReads: reads, now: rig.now)
    let figures = rig.engine.diskFigures
    #expect(figures.isKnown && figures.sampleCount == 12)
    #expect(abs(figures.nanosecondsPerByte - 2) < 0.02 && abs(figures.fixedNanoseconds - 100) < 20)
    // Slots of 64 bytes, each read in a thousand nanoseconds.
    for number in 0..<8 { try onDiskAndBack(&rig, number) }
    let later = rig.engine.diskFigures
    let expected = later.fixedNanoseconds + 64 * later.nanosecondsPerByte
    #expect(later.sampleCount == 20 && expected > 500, "\(expected)")
  }

  private func onDiskAndBack(_ rig: inout Rig, _ number: Int) throws {
    let (id, keys) = (request(UInt64(number + 1)), keys(0..<1, sequence: number))
    _ = try rig.store(id, keys)
    try rig.finishAll()
    rig.engine.cancel(id)
    let isRetired = rig.engine.retireExtent(.host, rig.classID, slots: 0..<8)
    #expect(isRetired)
    rig.engine.addExtent(.host, rig.classID, slots: 0..<8)
    try rig.settle()
    rig.effects = []
    _ = try rig.match(id, keys)
    let operations = rig.take()
    #expect(operations.count == 1)
    try rig.tick(after: 1_000)
    for operation in operations { try rig.report(operation) }
    rig.engine.cancel(id)
    try rig.settle()
    rig.effects = []
  }
}
