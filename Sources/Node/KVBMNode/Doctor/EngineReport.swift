import FoundationEssentials

/// What a Python interpreter says about vLLM and this package in it.
public struct EngineReport: Hashable, Sendable, Decodable {
  /// The interpreter's version.
  public var python: String
  /// vLLM's version; nil when it is not installed.
  public var vllm: String?
  /// Versions of vLLM that this package was tried with; nil when the connector does not load.
  public var tried: [String]?
  /// The library's version; nil when it does not load.
  public var library: String?
  /// Why the library does not load.
  public var libraryError: String?
  /// The connector's file; nil when it does not load.
  public var connector: String?
  /// Why the connector does not load.
  public var connectorError: String?

  /// A report without anything installed.
  public init(python: String) { self.python = python }

  /// Reads the line that `script` prints among whatever else there is; nil when it is not there.
  public init?(output: String) {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard
      let line = output.split(separator: "\n").last(where: { $0.hasPrefix(Self.mark) }),
      let report = try? decoder.decode(
        EngineReport.self, from: Data(line.dropFirst(Self.mark.count).utf8))
    else { return nil }
    self = report
  }

  private static let mark = "KVBM-DOCTOR "

  /// What the interpreter runs: importing the connector imports vLLM, which takes seconds.
  public static let script = """
    import importlib.metadata, json, sys
    report = {"python": sys.version.split()[0]}
    def attempt(name, function):
        try:
            report[name] = function()
        except BaseException as error:
            report[name + "_error"] = type(error).__name__ + ": " + str(error)
    def library():
        from swift_kvbm._native import Library, library_path
        return Library(library_path()).version
    def vllm():
        names = importlib.metadata.packages_distributions().get("vllm", ["vllm"])
        return importlib.metadata.version(names[0])
    def connector():
        import swift_kvbm.vllm
        from swift_kvbm import _vllm_adapter
        report["vllm"] = _vllm_adapter.vllm_version
        report["tried"] = list(_vllm_adapter.TRIED_VERSIONS)
        if swift_kvbm.vllm.DIFFERENCE:
            raise RuntimeError("this vLLM " + swift_kvbm.vllm.DIFFERENCE)
        return swift_kvbm.vllm.__file__
    attempt("vllm", vllm)
    attempt("library", library)
    if "vllm" in report:
        attempt("connector", connector)
    print("\\n\(mark)" + json.dumps(report))
    """
}

extension EngineReport {
  /// A judgement of the report. Pure.
  ///
  /// - Parameters:
  ///   - interpreter: as it was started.
  ///   - isExpected: whether somebody named the interpreter, so that vLLM has to be there.
  ///   - packagePath: the directory above this package, to be put on Python's path.
  public func findings(
    interpreter: String, isExpected: Bool, packagePath: String
  ) -> [Finding] {
    [
      vllmFinding(interpreter: interpreter, isExpected: isExpected),
      libraryFinding(interpreter: interpreter, packagePath: packagePath),
      connectorFinding(interpreter: interpreter, packagePath: packagePath),
    ].compactMap { $0 }
  }

  private func vllmFinding(interpreter: String, isExpected: Bool) -> Finding {
    guard let vllm else {
      let text = "none in \(interpreter) (Python \(python))"
      let remedy = "Name the engine's interpreter: kvbm doctor --python PATH"
      return isExpected
        ? .failure("vLLM", text, remedy: remedy) : .warning("vLLM", text, remedy: remedy)
    }
    guard let tried else { return .fine("vLLM", "\(vllm) in \(interpreter)") }
    guard tried.contains(where: { Self.release($0) == Self.release(vllm) }) else {
      return .warning(
        "vLLM", "\(vllm) was not tried",
        remedy: "Tried: \(tried.joined(separator: ", ")). If it does not fit, the engine serves "
          + "without offload and says so")
    }
    return .fine("vLLM", "\(vllm) in \(interpreter)")
  }

  private func libraryFinding(interpreter: String, packagePath: String) -> Finding? {
    if let library {
      guard library == NodeVersion.text else {
        return .warning(
          "libkvbm.so", "version \(library); this command is \(NodeVersion.text)",
          remedy: "Install both from one release")
      }
      return .fine("libkvbm.so", "version \(library) loads")
    }
    // Without vLLM this is not the engine's interpreter, and nothing has to be there.
    guard vllm != nil else { return nil }
    return .failure(
      "libkvbm.so", libraryError ?? "does not load",
      remedy: "Install the package for \(interpreter), or PYTHONPATH=\(packagePath)")
  }

  private func connectorFinding(interpreter: String, packagePath: String) -> Finding? {
    if let connector { return .fine("connector", connector) }
    guard vllm != nil else { return nil }
    return .failure(
      "connector", connectorError ?? "does not load",
      remedy: "Install the package for \(interpreter), or PYTHONPATH=\(packagePath)")
  }

  /// "0.32" of "0.32.0+cpu".
  private static func release(_ version: String) -> String {
    version.split(separator: ".").prefix(2).joined(separator: ".")
  }
}
