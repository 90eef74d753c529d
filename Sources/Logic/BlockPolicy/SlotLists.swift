/// Doubly linked lists threaded through the slots; a slot is in one of them or in none.
///
/// The warm end is where slots usually come in, the cold end where they are taken out. Nothing is
/// allocated after `init`, and every operation touches the slot's links and two neighbours'.
@usableFromInline
package struct SlotLists: ~Copyable {
  /// A place's two neighbours, by their places; both 0 when it is in no list.
  @usableFromInline
  struct Link: BitwiseCopyable {
    /// The neighbour towards the cold end; of a sentinel, the warmest slot.
    @usableFromInline var colder: UInt32
    /// The neighbour towards the warm end; of a sentinel, the coldest slot.
    @usableFromInline var warmer: UInt32

    /// A link between two places.
    @inlinable
    init(colder: UInt32, warmer: UInt32) {
      self.colder = colder
      self.warmer = warmer
    }
  }

  /// Place 0 is nowhere, so that zeroed links are unlisted slots; then one sentinel a list; then
  /// one link a slot.
  @usableFromInline let links: Column<Link>
  /// The place of slot 0.
  @usableFromInline let firstSlot: UInt32

  /// Empty lists over slots `0..<capacity`.
  package init(capacity: Int, listCount: Int) {
    precondition(capacity < Int(UInt32.max) - 16, "a link has 32 bits")
    firstSlot = UInt32(listCount + 1)
    links = Column(zeroed: capacity + listCount + 1)
    for sentinel in 1..<firstSlot {
      links[Int(sentinel)] = Link(colder: sentinel, warmer: sentinel)
    }
  }

  deinit { links.deallocate() }

  /// Where the slot's link is.
  @inlinable @inline(__always)
  func place(of slot: Slot) -> UInt32 { slot.rawValue &+ firstSlot }

  /// Whether the slot is in one of the lists.
  @inlinable @inline(__always)
  package func isListed(_ slot: Slot) -> Bool { links[Int(place(of: slot))].colder != 0 }

  /// The coldest slot of a list, or nil.
  @inlinable @inline(__always)
  package func coldest(of list: Int) -> Slot? {
    let place = links[list + 1].warmer
    return place >= firstSlot ? Slot(place &- firstSlot) : nil
  }

  /// Begins to bring a slot's link near, for a call that follows soon.
  @inlinable @inline(__always)
  func prefetch(_ slot: Slot) { links.prefetch(Int(place(of: slot))) }

  /// The listed slot's neighbour towards the warm end; nil at the warm end.
  func warmer(than slot: Slot) -> Slot? {
    let place = links[Int(place(of: slot))].warmer
    return place >= firstSlot ? Slot(place &- firstSlot) : nil
  }

  /// Adds an unlisted slot at the list's warm end.
  @inlinable @inline(__always)
  package mutating func insert(_ slot: Slot, warmIn list: Int) {
    link(place(of: slot), between: links[list + 1].colder, and: UInt32(list + 1))
  }

  /// Adds an unlisted slot at the list's cold end.
  @inlinable @inline(__always)
  package mutating func insert(_ slot: Slot, coldIn list: Int) {
    link(place(of: slot), between: UInt32(list + 1), and: links[list + 1].warmer)
  }

  /// Puts an unlisted place between two neighbours.
  @inlinable @inline(__always)
  func link(_ place: UInt32, between colder: UInt32, and warmer: UInt32) {
    assert(links[Int(place)].colder == 0)
    links[Int(place)] = Link(colder: colder, warmer: warmer)
    links[Int(colder)].warmer = place
    links[Int(warmer)].colder = place
  }

  /// Takes a listed slot out of its list.
  @inlinable @inline(__always)
  package mutating func unlink(_ slot: Slot) {
    assert(isListed(slot))
    let place = Int(place(of: slot))
    let link = links[place]
    links[Int(link.colder)].warmer = link.warmer
    links[Int(link.warmer)].colder = link.colder
    links[place] = Link(colder: 0, warmer: 0)
  }

  /// Calls `body` for the slots of a list, coldest first; `body` must not change the list.
  ///
  /// - Throws: What `body` throws, and `BrokenInvariant` when the links disagree.
  package func forEach(
    in list: Int, _ body: (Slot) throws(BrokenInvariant) -> Void
  ) throws(BrokenInvariant) {
    var place = links[list + 1].warmer
    while place >= firstSlot {
      let link = links[Int(place)]
      try require(links[Int(link.warmer)].colder == place, "a list's links disagree")
      try body(Slot(place - firstSlot))
      place = link.warmer
    }
  }
}
