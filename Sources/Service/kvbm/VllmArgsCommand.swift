import ArgumentParser
import Glibc
import KVBMNode

/// Prints what `vllm serve --kv-transfer-config` needs to be told.
struct VllmArgsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vllm-args",
    abstract: "Print the JSON for vLLM's --kv-transfer-config.",
    discussion: """
      vllm serve MODEL --kv-transfer-config "$(kvbm vllm-args --host 20GiB --disk DIR:200GiB)"

      Standard output has the JSON alone, on one line; what else is to be said goes to standard \
      error. Nothing is made and nothing is started.
      """)

  @Option(help: "Size of the host tier, or \"auto\" for half of what is free.")
  var host: String?

  @Option(help: "Directory and size of the disk tier, DIR:SIZE.")
  var disk: String?

  @Option(help: "Object store that nodes share, file:///DIR or s3://BUCKET/PREFIX.")
  var object: String?

  @Option(help: "Keys that protect objects: a file, or env:NAME for a variable.")
  var keys: String?

  @Option(help: "Attach to a node that runs by itself, as in unix:/run/user/1000/kvbm.sock.")
  var node: String?

  @Option(help: "Name the weights instead of taking a digest of them.")
  var weightsId: String?

  /// Prints the line.
  ///
  /// - Throws: Exit 64 for a setting that cannot be, with what would be right.
  func run() throws {
    var arguments = ConnectorArguments()
    do throws(ConfigurationError) {
      if let host { arguments.host = try hostSize(host) }
      if let disk { arguments.disk = try usable(ConnectorArguments.Disk(disk)) }
      arguments.objectURL = object
      arguments.keys = keys.map { $0.hasPrefix("env:") ? $0 : DirectoryFacts.absolute($0) }
      arguments.node = node
      arguments.weightsID = weightsId
      try arguments.validate()
    } catch {
      throw ValidationError(error.description)
    }
    if object != nil && keys == nil {
      note(
        "objects are authenticated with a key: add --keys FILE, which kvbm keygen makes, or set "
          + "KVBM_KEYS where the engine starts")
    }
    printLine(arguments.json)
  }

  private func hostSize(_ text: String) throws(ConfigurationError) -> ByteSize {
    let available = AvailableMemory.bytes()
    let reserve = ByteSize(bytes: NodeConfiguration.hostReserveBytesDefault)
    if text == "auto" {
      guard let size = ConnectorArguments.automaticHost(availableBytes: available) else {
        throw ConfigurationError(
          key: "--host", value: text,
          remedy: "a size here: too little memory is free, or how much cannot be told")
      }
      note(
        "--host auto takes \(size.exactText), half of the \(ByteSize(bytes: available)) that "
          + "are free beyond a reserve of \(reserve)")
      return size
    }
    guard let size = ByteSize(text) else {
      throw ConfigurationError(
        key: "--host", value: text, remedy: "\"auto\" or \(ByteSize.remedy)")
    }
    if size.bytes > available {
      note(
        "--host \(size.exactText) is more than the \(ByteSize(bytes: available)) that are free "
          + "beyond a reserve of \(reserve); the tier will be smaller until there is more")
    }
    return size
  }

  /// The disk tier with an absolute path, which means the same wherever the engine starts.
  private func usable(
    _ given: ConnectorArguments.Disk
  ) throws(ConfigurationError) -> ConnectorArguments.Disk {
    var disk = given
    disk.path = DirectoryFacts.absolute(disk.path)
    let facts = DirectoryFacts(disk.path)
    if let reason = facts.obstacle {
      throw ConfigurationError(
        key: "--disk", value: given.path,
        remedy: "a directory that this user may write: \(reason)")
    }
    if let free = facts.freeBytes, !facts.exists, disk.capacity.bytes > free {
      note(
        "--disk \(disk.capacity.exactText) is more than the \(ByteSize(bytes: free)) that are "
          + "free at \(disk.path); the tier ends where the disk is full")
    }
    return disk
  }

  private func note(_ text: String) {
    let line = Array("kvbm: \(text)\n".utf8)
    _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }
}
