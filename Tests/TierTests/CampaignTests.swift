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

  @Test("Every planted defect is found", arguments: CampaignFault.ofPowerLoss, 1...3)
  func planted(fault: CampaignFault, seed: UInt64) throws {
    let directory = TemporaryDirectory()
    let campaign = try PowerCampaign(
      seed: seed, imageCount: 60, parent: directory.path, fault: fault)
    #expect(try !campaign.run().violations.isEmpty)
  }
}
