import DiskTier
import Glibc

/// Why an object store cannot be opened, or did not do a job.
public enum ObjectError: Error, Hashable, Sendable {
  /// No answer before the job's deadline.
  case timedOut
  /// The store was shut down before the job began.
  case shutDown
  /// A system call on a path failed.
  case system(call: String, path: String, errno: Int32)
  /// A directory that was no store of ours when it was opened, and is not empty.
  case notAStore(path: String)
  /// The directory, or the file system that it was in, is not there any more.
  case gone(path: String)
  /// The store was made by a later version, in a form that this one does not know.
  case newerFormat(path: String, version: Int, known: Int)
  /// A setting that cannot be; the text says what would be right.
  case badSetting(String)
  /// libcurl, which s3:// needs, is not there or cannot be used.
  case noLibrary(String)
  /// The way to the server failed: name, connection, TLS, a broken answer.
  case network(String)
  /// The server is there and cannot serve now: 5xx, 429.
  case unavailable(status: Int, code: String)
  /// The server does not accept who we say that we are, or does not let us.
  case denied(code: String)
  /// There are no credentials in any of the places where they were looked for.
  case noCredentials
  /// The bucket does not exist.
  case noBucket(String)
  /// The bucket is in another region than requests were signed for.
  case wrongRegion(String?)
  /// This machine's clock and the server's differ too much for signed requests.
  case clockSkew(serverTime: String)
  /// An answer that says success and is no object of ours.
  case notAnObject(String)
  /// Any other answer of the server.
  case refused(status: Int, code: String)
}

extension ObjectError {
  /// Calls what speaks of a directory in the disk tier's words.
  static func mapped<Result>(
    _ body: () throws(DiskTierError) -> Result
  ) throws(ObjectError) -> Result {
    do throws(DiskTierError) {
      return try body()
    } catch .system(let call, let path, let code) {
      throw .system(call: call, path: path, errno: code)
    } catch {
      throw .badSetting(error.description)
    }
  }
}

extension ObjectError: CustomStringConvertible {
  /// What failed, where and why, and what to do about it.
  public var description: String { "\(reason). \(remedy)." }

  /// What failed, where and why.
  public var reason: String {
    switch self {
    case .timedOut: "no answer before the deadline"
    case .shutDown: "the store was shut down"
    case .system(let call, let path, let code): "\(call) \(path): \(errorText(code))"
    case .notAStore(let path): "\(path) holds other files and no sound \(ObjectMarker.fileName)"
    case .gone(let path): "\(path) is not there any more"
    case .newerFormat(let path, let version, let known):
      "\(path) has object store format \(version), this version knows up to \(known)"
    case .badSetting(let text), .noLibrary(let text), .network(let text): text
    case .unavailable(let status, let code):
      "the server cannot serve now (\(Self.answer(status, code)))"
    case .denied(let code): "the server denies access (\(code))"
    case .noCredentials: "there are no credentials for s3://"
    case .noBucket(let bucket): "there is no bucket \(bucket)"
    case .wrongRegion(let region):
      "the bucket is in another region\(region.map { ": \($0)" } ?? "")"
    case .clockSkew(let serverTime):
      "this machine's clock is wrong: the server has \(serverTime)"
    case .notAnObject(let text): "the answer is no object of ours (\(text))"
    case .refused(let status, let code):
      "the server refuses the request (\(Self.answer(status, code)))"
    }
  }

  /// What to do about it.
  public var remedy: String {
    switch self {
    case .timedOut: "The store or the way to it is slow or stuck; check both"
    case .shutDown: "Nothing needs to be done"
    case .system(_, _, let code): Self.remedy(code)
    case .notAStore:
      "Name an empty directory, or one that an object store was made in; nothing was changed"
    case .gone: "Mount it again, or make the directory again"
    case .newerFormat:
      "Use the version that made it, or another directory; nothing was changed"
    case .badSetting: "Correct the setting"
    case .noLibrary:
      "Object stores at s3:// need libcurl 7.68 or newer with TLS: apt-get install libcurl4, or "
        + "what your distribution calls it"
    case .network: "Check endpoint, network, proxy and certificates"
    case .unavailable: "Wait, or ask who runs it"
    case .denied:
      "Check access key, secret and session token, and that they may list the bucket and get, put "
        + "and delete objects in it"
    case .noCredentials:
      "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or have a profile in ~/.aws/credentials "
        + "(AWS_PROFILE names it)"
    case .noBucket: "Make it, or name another"
    case .wrongRegion: "Set the region to it (AWS_REGION)"
    case .clockSkew: "Set the clock (NTP)"
    case .notAnObject: "Check what stands between here and the server"
    case .refused: "Check endpoint, region and bucket"
    }
  }

  private static func answer(_ status: Int, _ code: String) -> String {
    code.isEmpty ? "HTTP \(status)" : "HTTP \(status), \(code)"
  }

  private static func remedy(_ code: Int32) -> String {
    switch code {
    case EACCES, EPERM: "Let this user read and write there, or name another directory"
    case EROFS: "The file system is read-only; name another directory"
    case ENOSPC, EDQUOT: "Free some space, or let objects go earlier"
    case EMFILE, ENFILE: "Raise the limit of open files (ulimit -n)"
    case ENOTDIR, ELOOP: "Name a path whose parts are all directories"
    case ENOENT: "Check the path's spelling, or make its parent directory"
    case ESTALE, EIO, ETIMEDOUT: "The file server or device reports errors; check it"
    default: "Check the path and the file server"
    }
  }
}
