import CXXH3
import Glibc
import KVBMTesting
import Testing

@Suite("Copies under a checksum")
struct CopySumTests {
  @Test(
    "Bytes arrive as they were, and the checksum is XXH3's, in runs of any length and stride",
    arguments: [CXXH3_BEST, CXXH3_BASELINE].map(\.rawValue))
  func copies(level: UInt32) {
    var generator = Random(seed: 11)
    for stripes in Array(4...70) + [127, 128, 129, 1_000, 4_096] {
      let count = 64 * stripes
      // Seed 0 is a case of its own in XXH3.
      let seed = stripes % 5 == 0 ? 0 : generator.next()
      let shift = generator.below(3) * 32 + generator.below(2) * 8
      let strands = split(stripes, &generator)
      let span = shift + strands.reduce(0) { $0 + $1.runs * ($1.length + $1.gap) }
      let source = Memory(count: span, noise: generator.next())
      let target = Memory(count: span, noise: generator.next())
      var (expected, wanted) = (target.snapshot, [UInt8]())
      var copy = cxxh3_copy()
      cxxh3_copy_begin(&copy, count, seed, stripes % 2 == 0 ? 1 : 0, cxxh3_level(rawValue: level))
      var (from, to) = (shift, 0)
      for strand in strands {
        // As in stores, where the source has gaps, and in loads, where the target has.
        let wide = strand.length + strand.gap
        let steps = strand.isLoad ? (strand.length, wide) : (wide, strand.length)
        cxxh3_copy_runs(
          &copy, target.start + to, steps.1, source.start + from, steps.0, strand.length,
          strand.runs)
        for run in 0..<strand.runs {
          let bytes = source.bytes[from + run * steps.0..<from + run * steps.0 + strand.length]
          wanted += bytes
          let place = to + run * steps.1
          expected.replaceSubrange(place..<place + strand.length, with: bytes)
        }
        from += strand.runs * steps.0
        to += strand.runs * steps.1
      }
      #expect(target.snapshot == expected, "\(stripes) stripes")
      let plain = cxxh3_64_plain(wanted, count, seed)
      #expect(cxxh3_copy_end(&copy) == plain, "\(stripes) stripes")
      #expect(cxxh3_64(wanted, count, seed) == plain)
    }
  }

  private struct Strand {
    var length: Int
    var runs: Int
    var gap: Int
    var isLoad: Bool
  }

  /// Runs that are so many stripes together.
  private func split(_ stripes: Int, _ generator: inout Random) -> [Strand] {
    var left = stripes
    var strands: [Strand] = []
    while left > 0 {
      let length = 1 + generator.below(min(left, generator.oneIn(3) ? 40 : 4))
      let runs = 1 + generator.below(min(left / length, 9))
      strands.append(
        Strand(
          length: 64 * length, runs: runs, gap: 8 * generator.below(20),
          isLoad: generator.oneIn(2)))
      left -= length * runs
    }
    return strands
  }

  @Test("Short and uneven inputs have the same checksum as ever")
  func uneven() {
    let memory = Memory(count: 4_096 + 100, noise: 4)
    for count in Array(0...700) + [1_023, 1_025, 4_095, 4_096, 4_099] {
      for seed in [0, 1, UInt64.max] {
        #expect(
          cxxh3_64(memory.start + 1, count, seed) == cxxh3_64_plain(memory.start + 1, count, seed))
      }
    }
  }
}
