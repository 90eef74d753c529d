import KVBMCampaigns
import Testing

@testable import DiskTier

@Suite("Campaigns: power is lost, and nothing that was promised")
struct CampaignTests {
  @Test("No image of a device serves wrong bytes, or lacks what was durable", arguments: 1...3)
  func power(seed: UInt64) throws {
    let directory = TemporaryDirectory()
    let campaign = try PowerCampaign(
      seed: seed, imageCount: 40, parent: directory.path, fault: nil)
    let report = try campaign.run()
    #expect(report.violations.isEmpty)
    #expect(report.restartCount == 40)
    // Neither is of use if it never happens.
    #expect(report.demandedCount > 100 && report.freedCount > 20)
    // Nothing is left behind.
    #expect(try Directory.list(directory.path).count == 2)
  }

  /// Which writes are under way at a cut depends on threads, so no single campaign is sure to find
  /// a defect that few cuts show.
  @Test("Every planted defect is found", arguments: CampaignFault.ofPowerLoss)
  func planted(fault: CampaignFault) throws {
    let isFound = try (UInt64(1)...8).contains { seed in
      let directory = TemporaryDirectory()
      let campaign = try PowerCampaign(
        seed: seed, imageCount: 60, parent: directory.path, fault: fault)
      return try !campaign.run().violations.isEmpty
    }
    #expect(isFound)
  }
}
