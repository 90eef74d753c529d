import ArgumentParser
import Glibc
import KVBMNode

/// Reads a model's `config.json` from a directory or by its own name.
enum ModelFile {
  /// No configuration is near; a checkpoint given by mistake is not read whole.
  private static let bytesMax = 4 << 20

  /// - Throws: A validation error with the path and what would be right.
  static func read(_ path: String) throws -> ModelConfig {
    var status = stat()
    var file = DirectoryFacts.absolute(path)
    if stat(file, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { file += "/config.json" }
    let bytes = try contents(file)
    do throws(ModelConfigError) {
      return try ModelConfig(json: bytes)
    } catch {
      throw ValidationError("\(file): \(error)")
    }
  }

  private static func contents(_ path: String) throws -> [UInt8] {
    let fd = open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else {
      throw ValidationError(
        "--model: \(path): \(String(cString: strerror(errno))); it must be a model's directory or "
          + "its config.json on this machine")
    }
    defer { close(fd) }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 65_536)
    while bytes.count <= bytesMax {
      let count = Glibc.read(fd, &part, part.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else {
        throw ValidationError("--model: \(path): \(String(cString: strerror(errno)))")
      }
      guard count > 0 else { return bytes }
      bytes += part[..<count]
    }
    throw ValidationError("--model: \(path) is longer than any config.json")
  }
}
