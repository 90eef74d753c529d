import BlockIdentity
import Glibc
import KVLayout
import Protection

/// What it costs to encrypt or authenticate a slot, and to take that off again, beside `memcpy` of
/// the same bytes on the same thread.
enum ProtectionRows {
  /// Both forms, both ways, for two sizes of slots.
  static func measure(repeats: Int, _ report: (TierRow) -> Void) {
    let key = Array(String(repeating: "5a", count: SecretKey.byteCount).utf8)
    guard let keys = try? KeyRing(text: key, source: "a benchmark") else { return }
    for (name, heads, layers) in [("64 KiB", 4, 4), ("2 MiB", 8, 64)] {
      guard
        let shape = try? BlockShape(
          headCount: heads, layerCount: layers, blockTokens: 16, tokenBytes: 256, elementBytes: 2),
        let bench = Bench(shape)
      else { continue }
      for form in [SlotProtection.Form.authenticated, .encrypted] {
        let protector = Protector(keys: keys, form: form)
        let words = form == .encrypted ? "encrypted" : "authenticated"
        report(
          .speed(
            "protect, \(name), \(words)", beside: "memcpy",
            bench.turns(repeats) { bench.protect(protector, $0) }))
        report(
          .speed(
            "reveal, \(name), \(words)", beside: "memcpy",
            bench.turns(repeats, before: { bench.protect(protector, $0) }) {
              bench.reveal(protector, $0)
            }))
      }
    }
  }

  /// Slots beyond what caches hold, and places for them.
  private struct Bench {
    private let shape: BlockShape
    private let count: Int
    private let slots: Region
    private let places: Region

    init?(_ shape: BlockShape) {
      self.shape = shape
      count = max(8, (64 << 20) / shape.slotBytes)
      guard let slots = Region(count * shape.slotBytes),
        let places = Region(count * shape.slotBytes)
      else { return nil }
      self.slots = slots
      self.places = places
    }

    /// Turns of `body` over all slots and of `memcpy`, in bytes a nanosecond; `before` makes each
    /// slot ready, in time that does not count.
    func turns(
      _ repeats: Int, before: (Int) -> Bool = { _ in true }, _ body: (Int) -> Bool
    ) -> [Turn] {
      (0..<repeats).compactMap { _ in
        guard (0..<count).allSatisfy(before), let value = speed(body) else { return nil }
        let yardstick = speed { slot in
          memcpy(place(slot), self.slot(slot), shape.slotBytes)
          return true
        }
        return Turn(value: value, yardstick: yardstick)
      }
    }

    func protect(_ protector: Protector, _ index: Int) -> Bool {
      protector.protect(slot(index), into: place(index), description(index))
    }

    func reveal(_ protector: Protector, _ index: Int) -> Bool {
      protector.reveal(UnsafeMutableRawBufferPointer(start: place(index), count: shape.slotBytes))
        == nil
    }

    private func description(_ index: Int) -> SlotDescription {
      let namespace = withUnsafeBytes(of: UInt64(1)) { Namespace(description: $0) }
      return SlotDescription(
        namespace: namespace, key: BlockKey(high: 1, low: UInt64(index)), shape: shape)
    }

    private func slot(_ index: Int) -> UnsafeMutableRawPointer {
      slots.base + index * shape.slotBytes
    }

    private func place(_ index: Int) -> UnsafeMutableRawPointer {
      places.base + index * shape.slotBytes
    }

    private func speed(_ body: (Int) -> Bool) -> Double? {
      let start = Machine.seconds
      for index in 0..<count where !body(index) { return nil }
      return Double(count * shape.slotBytes) / (Machine.seconds - start) / 1e9
    }
  }
}
