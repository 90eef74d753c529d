import KVBMNode
import Testing

@Suite("ByteSize")
struct ByteSizeTests {
  @Test(
    "Sizes are read as people write them",
    arguments: [
      ("0", 0), ("4096", 4096), ("512MiB", 512 << 20), ("20GB", 20_000_000_000), ("1kB", 1000),
      ("1.5 GiB", 3 << 29), ("2tib", 2 << 40), ("1_000", 1000), ("12b", 12),
    ])
  func accepted(text: String, bytes: Int) { #expect(ByteSize(text)?.bytes == bytes) }

  @Test(
    "What nobody agrees on is refused",
    arguments: [
      "", "G", "20G", "-1GiB", "1.5", "1e9", "0x10", "12 apples", "99999999TiB", "1..2GiB",
    ])
  func refused(text: String) { #expect(ByteSize(text) == nil) }

  @Test(
    "Sizes are written in the largest binary unit",
    arguments: [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (20 << 30, "20 GiB")])
  func description(bytes: Int, text: String) {
    #expect(ByteSize(bytes: bytes).description == text)
  }
}
