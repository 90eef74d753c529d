import ArgumentParser

/// The `kvbm` command.
@main
struct RootCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kvbm",
    abstract: "A KV-cache block manager for LLM inference.",
    subcommands: [
      ServeCommand.self, StatusCommand.self, ExplainCommand.self, InspectCommand.self,
      VerifyCommand.self, KeygenCommand.self, VllmArgsCommand.self, PlanCommand.self,
      ReplayCommand.self, SimulateCommand.self, CampaignCommand.self, BenchCommand.self,
      DoctorCommand.self, VersionCommand.self,
    ])
}
