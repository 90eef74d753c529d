import Testing

@testable import KVBMNode

@Suite("ConnectorArguments")
struct ConnectorArgumentsTests {
  @Test("The line is what vLLM is given in the documents")
  func line() throws {
    var arguments = ConnectorArguments()
    arguments.host = ByteSize("20GiB")
    arguments.disk = try ConnectorArguments.Disk("/var/cache/kvbm:200GiB")
    try arguments.validate()
    #expect(
      arguments.json
        == "{\"kv_connector\":\"KVBMConnector\",\"kv_connector_module_path\":\"swift_kvbm.vllm\","
        + "\"kv_role\":\"kv_both\",\"kv_load_failure_policy\":\"recompute\","
        + "\"kv_connector_extra_config\":{\"host\":{\"capacity\":\"20GiB\"},"
        + "\"disk\":{\"path\":\"/var/cache/kvbm\",\"capacity\":\"200GiB\"}}}")
  }

  @Test("An object store is passed on, and a place that is none is refused")
  func object() throws {
    var arguments = ConnectorArguments()
    arguments.objectURL = "s3://bucket/kv"
    try arguments.validate()
    #expect(arguments.json.hasSuffix("{\"object\":{\"url\":\"s3://bucket/kv\"}}}"))
    arguments.objectURL = "bucket"
    let error = #expect(throws: ConfigurationError.self) { try arguments.validate() }
    #expect(error?.description.contains("file:///directory or s3://bucket/prefix") == true)
  }

  @Test("Text is quoted, whatever it holds")
  func quoting() {
    var arguments = ConnectorArguments()
    arguments.weightsID = "a\"b\\c\nü"
    #expect(arguments.json.hasSuffix("{\"weights_id\":\"a\\\"b\\\\c\\nü\"}}"))
  }

  @Test(
    "The last colon parts directory and size",
    arguments: [
      ("/a:200GiB", "/a", 200 << 30), ("/a:b:1TB", "/a:b", 1_000_000_000_000),
      ("c:1 GiB", "c", 1 << 30),
    ])
  func disk(text: String, path: String, bytes: Int) throws {
    let disk = try ConnectorArguments.Disk(text)
    #expect((disk.path, disk.capacity.bytes) == (path, bytes))
  }

  @Test(
    "What is no directory and size is refused with what would be",
    arguments: [
      ("/a", "DIR:SIZE, as in"), (":1GiB", "DIR:SIZE, as in"), ("/a:/b", "DIR:SIZE, as in"),
      ("/a:", "which \"\" is not"), ("/a:200G", "which \"200G\" is not"),
      ("/a:64KiB", "at least 1 MiB"),
    ])
  func wrongDisk(text: String, said: String) {
    let error = #expect(throws: ConfigurationError.self) { try ConnectorArguments.Disk(text) }
    #expect(error?.remedy.contains(said) == true)
    #expect(error?.value == text)
  }

  @Test("A running node has capacities of its own")
  func node() throws {
    var arguments = ConnectorArguments()
    arguments.node = "unix:/run/kvbm.sock"
    try arguments.validate()
    #expect(arguments.json.hasSuffix("{\"node\":\"unix:/run/kvbm.sock\"}}"))
    arguments.host = ByteSize("1GiB")
    let both = #expect(throws: ConfigurationError.self) { try arguments.validate() }
    #expect(both?.remedy.hasPrefix("alone") == true)
    arguments = ConnectorArguments()
    (arguments.node, arguments.objectURL) = ("unix:/run/kvbm.sock", "file:///d")
    #expect(throws: ConfigurationError.self) { try arguments.validate() }
    arguments = ConnectorArguments()
    arguments.node = "/run/kvbm.sock"
    let bare = #expect(throws: ConfigurationError.self) { try arguments.validate() }
    #expect(bare?.remedy.contains("unix:") == true)
  }

  @Test(
    "The automatic host tier is half of what is free, in whole extents",
    arguments: [
      (10 << 30, 5 << 30), ((10 << 30) + (127 << 20), 5 << 30), (128 << 20, 64 << 20),
      ((128 << 20) - 1, nil), (0, nil), (Int.max, nil),
    ] as [(Int, Int?)])
  func automatic(available: Int, taken: Int?) {
    #expect(ConnectorArguments.automaticHost(availableBytes: available)?.bytes == taken)
  }

  @Test(
    "Sizes are written to the byte in the unit that leaves the smallest number",
    arguments: ["20GiB", "1TiB", "1500MB", "20GB", "4097", "11584MiB", "0"])
  func exact(text: String) {
    #expect(ByteSize(text)?.exactText == text)
  }
}
