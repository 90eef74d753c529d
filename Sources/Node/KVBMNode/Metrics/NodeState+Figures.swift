import BlockEngine

extension NodeState {
  /// Notes what an effect begins, and what has left.
  mutating func noteFigures(_ effect: Effect, _ now: Time) {
    switch effect {
    case .offload(let operation, _, _, _, let block):
      transfers.began(operation, .store, bytes: bytes(of: block), now)
    case .onboard(let operation, _, _, _, let block):
      transfers.began(operation, .load, bytes: bytes(of: block), now)
    case .read(let operation, _, _, let target):
      transfers.began(operation, .read, bytes: bytes(of: target), now)
    case .write(let operation, _, _, let target):
      transfers.began(operation, .write, bytes: bytes(of: target), now)
    case .put(let operation, _, let source):
      transfers.began(operation, .put, bytes: bytes(of: source), now)
    case .get(let operation, _, let target):
      transfers.began(operation, .get, bytes: bytes(of: target), now)
    case .removed(let tier, _, let reason): removalCounts.note(tier, reason)
    case .look, .refused, .stored, .loadEnded: break
    }
  }

  private func bytes(of block: BlockRef) -> Int { classes[Int(block.classID.rawValue)].slotBytes }
}
