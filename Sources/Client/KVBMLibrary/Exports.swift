import CKVBM
import CLinux

// The functions of kvbm.h. Each checks its pointers, then hands over; nothing here decides
// anything. The Swift names must be the C names, so the linter's naming rule is off for each.

/// The library's version, kept for the process's life for callers of `kvbm_version`.
private let versionText = StaticText("0.1.0")

/// A NUL-terminated text that is never freed.
private struct StaticText: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<CChar>

  init(_ text: String) {
    let bytes = Array(text.utf8CString)
    pointer = .allocate(capacity: bytes.count)
    pointer.initialize(from: bytes, count: bytes.count)
  }
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_abi_version() -> UInt32 { UInt32(KVBM_ABI_VERSION) }

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_version() -> UnsafePointer<CChar>! { UnsafePointer(versionText.pointer) }

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_last_error(_ buffer: UnsafeMutablePointer<CChar>!, _ capacity: Int) -> Int {
  guard let text = clinux_error_text() else { return 0 }
  var length = 0
  while text[length] != 0 { length += 1 }
  if let buffer, capacity > 0 {
    let copied = min(length, capacity - 1)
    for index in 0..<copied { buffer[index] = text[index] }
    buffer[copied] = 0
  }
  return length
}

// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func kvbm_set_interpreter_lock(
  _ is_held: (@convention(c) () -> Int32)!,
  _ give_up: (@convention(c) () -> UnsafeMutableRawPointer?)!,
  _ take_back: (@convention(c) (UnsafeMutableRawPointer?) -> Void)!
) {
  guard let is_held, let give_up, let take_back else { return InterpreterLock.set(nil) }
  InterpreterLock.set(.init(isHeld: is_held, giveUp: give_up, takeBack: take_back))
}

/// The object behind a handle, for the time of one call.
func withObject<Object: AnyObject>(
  _ handle: OpaquePointer?, _ type: Object.Type,
  _ body: (Object) throws(CallFailure) -> Int32
) -> Int32 {
  coded { () throws(CallFailure) in
    guard let handle else { throw .argument("the handle is null") }
    let object = Unmanaged<Object>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
    return try body(object)
  }
}

/// A caller's bytes; null only when there are none.
func bytes(
  _ start: UnsafePointer<UInt8>?, _ count: Int, _ name: String
) throws(CallFailure) -> UnsafeRawBufferPointer {
  guard count >= 0, start != nil || count == 0 else { throw .argument("\(name) is null") }
  return UnsafeRawBufferPointer(start: start, count: count)
}
