import CKVBM
import CLinux
import Glibc

/// Why a call did not do what it should: a code of kvbm.h and a sentence with the remedy.
struct CallFailure: Error {
  /// A `KVBM_` code, never `KVBM_OK`.
  let code: Int32
  /// What `kvbm_last_error` answers.
  let text: String

  /// `KVBM_ARGUMENT`: the caller's mistake, with what would be right.
  static func argument(_ text: String) -> CallFailure {
    CallFailure(code: Int32(KVBM_ARGUMENT), text: text)
  }

  /// `KVBM_SYSTEM`: a system call by name, and its errno.
  static func system(_ what: String, _ error: Int32) -> CallFailure {
    CallFailure(code: Int32(KVBM_SYSTEM), text: "\(what): \(String(cString: strerror(error)))")
  }

  /// `KVBM_UNAVAILABLE`, for callers who must know; others are answered with nothing.
  static let unavailable = CallFailure(
    code: Int32(KVBM_UNAVAILABLE), text: "no node is attached")
  /// `KVBM_STALE`: never begun, or ended already.
  static let stale = CallFailure(code: Int32(KVBM_STALE), text: "the request is not known")
}

/// Runs a call's body and turns what it throws into a code, with its text for the calling thread.
func coded(_ body: () throws(CallFailure) -> Int32) -> Int32 {
  do throws(CallFailure) {
    return try body()
  } catch {
    setLastError(error.text)
    return error.code
  }
}

/// Keeps a text for the calling thread, cut to what fits.
func setLastError(_ text: String) {
  let capacity = Int(clinux_error_capacity())
  guard let buffer = clinux_error_text() else { return }
  var length = 0
  for byte in text.utf8.prefix(capacity - 1) {
    buffer[length] = CChar(bitPattern: byte)
    length += 1
  }
  buffer[length] = 0
}
