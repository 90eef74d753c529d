import ArgumentParser
import KVBMNode
import Wire

/// Says which release this is.
struct VersionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "version", abstract: "Print the version and the formats that it speaks.")

  @Flag(help: "Print JSON.")
  var json = false

  /// Prints the numbers; needs no node.
  func run() throws {
    let version = VersionReport(
      version: NodeVersion.text, slotFormat: NodeVersion.slotFormat,
      wireProtocol: Int(WireFormat.version))
    if json {
      try printJSON(version)
    } else {
      printLine("kvbm \(version.version)")
      printLine("slot format \(version.slotFormat), wire protocol \(version.wireProtocol)")
    }
  }
}

private struct VersionReport: Encodable {
  let version: String
  let slotFormat: Int
  let wireProtocol: Int
}
