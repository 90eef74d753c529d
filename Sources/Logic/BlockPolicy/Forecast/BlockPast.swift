/// What a block's uses so far tell.
struct BlockPast: BitwiseCopyable {
  /// When it was used last, in ticks.
  var lastUse: UInt32
  /// Its number in the log, 0 when it is not followed.
  var logNumber: UInt32
  /// How many requests have used it; stays at 255.
  var uses: UInt8
  /// Which turn of its conversation used it last, from 0; stays at 255.
  var turn: UInt8
  /// The level of the time before that turn.
  var gap: UInt8
  /// How far from the end of that request it was: 0 the last block, 1 the one before; 2 and more
  /// are 2. Bit 7: sequences part behind it.
  var place: UInt8

  /// A block that nobody has used yet.
  init() {
    lastUse = 0
    logNumber = 0
    uses = 0
    turn = 0
    gap = 0
    place = 2
  }

  @inline(__always)
  var distance: UInt8 {
    get { place & 0x7f }
    set { place = place & 0x80 | newValue }
  }

  @inline(__always)
  var isFork: Bool {
    get { place & 0x80 != 0 }
    set { place = newValue ? place | 0x80 : place & 0x7f }
  }

  /// Whether the block can tell anything about a request that comes to it again.
  @inline(__always)
  var isTelling: Bool { distance <= 1 || isFork }

  /// Whether a request that goes on behind this block continues the one that used it last.
  @inline(__always)
  var isContinued: Bool { distance <= 1 && !isFork }
}
