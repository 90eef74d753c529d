/// Why a node does not start, or an engine is not served: a sentence with the remedy.
public enum NodeError: Error, Equatable, CustomStringConvertible {
  /// A setting that cannot be.
  case configuration(ConfigurationError)
  /// Another node has the socket.
  case alreadyRunning(String)
  /// Something the system would not give.
  case system(String)
  /// The disk tier cannot be opened.
  case disk(String)
  /// What an engine asked for cannot be.
  case refused(String)
  /// No node answers.
  case unreachable(String)

  /// The sentence, for the log and for whoever was refused.
  public var description: String {
    switch self {
    case .configuration(let error): error.description
    case .alreadyRunning(let text), .system(let text), .disk(let text), .refused(let text),
      .unreachable(let text):
      text
    }
  }

  /// What the command ends with: 64 usage, 69 unavailable, 71 system, 73 disk, 75 try again.
  public var exitCode: Int32 {
    switch self {
    case .configuration: 64
    case .alreadyRunning: 75
    case .system, .refused: 71
    case .disk: 73
    case .unreachable: 69
    }
  }
}
