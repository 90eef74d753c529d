import BlockIdentity
import Glibc
import KVLayout
import Protection

/// Looks into a store without taking part: reads only, needs no lock, disturbs nobody.
///
/// Works on a store that a process serves from; what it says is then a moment's picture.
public struct StoreInspector: Sendable {
  /// The names in the directory.
  let layout: StoreLayout
  /// 32 hexadecimal digits that name the store; empty when its marker is unreadable.
  public let storeID: String
  /// What could not be looked at, a sentence each.
  public private(set) var warnings: [String] = []
  /// The files that were there, oldest first.
  let extents: [InspectedExtent]
  /// Takes the protection off slots; nil without keys.
  let protector: Protector?

  /// Opens the store in `directory` for reading.
  ///
  /// - Parameter keys: what its slots may be protected with; headers are read without.
  /// - Throws: `system` when there is no store, `newerFormat` when it is of an unknown form.
  public init(directory: String, keys: KeyRing? = nil) throws(DiskTierError) {
    protector = keys.map { Protector(keys: $0, form: .plain) }
    layout = StoreLayout(directory: directory)
    guard let bytes = try Directory.read(layout.markerPath, limit: 65_536) else {
      throw .system(call: "open", path: layout.markerPath, errno: ENOENT)
    }
    let marker = StoreMarker(json: bytes)
    if let marker, marker.format > StoreMarker.formatKnown {
      throw .newerFormat(
        path: layout.markerPath, version: marker.format, known: StoreMarker.formatKnown)
    }
    storeID = marker?.storeID ?? ""
    if marker == nil { warnings.append("\(layout.markerPath) is not readable.") }
    var found: [InspectedExtent] = []
    for file in try Directory.list(layout.extentsPath) {
      guard let name = ExtentName(fileName: file) else { continue }
      do {
        found.append(try InspectedExtent(name, path: layout.path(of: name)))
      } catch {
        warnings.append("An extent is left out: \(error)")
      }
    }
    extents = found.sorted { $0.name.id < $1.name.id }
  }

  /// The description of a namespace as the store keeps it, if it is that namespace's indeed.
  public func namespaceDescription(_ namespace: Namespace) -> [UInt8]? {
    let path = layout.path(ofNamespace: namespace.digest.description)
    guard let bytes = (try? Directory.read(path)).flatMap({ $0 }),
      bytes.withUnsafeBytes({ Namespace(description: $0) }) == namespace
    else { return nil }
    return bytes
  }
}

/// An extent's file as it was found; opened anew for each look, so that many cost no descriptors.
struct InspectedExtent: Sendable {
  /// What its name says.
  let name: ExtentName
  /// Where it is.
  let path: String
  /// How long it is; less than its name says when it was cut.
  let fileBytes: Int64

  /// Opens the file once, to see that it can be; throws `system`.
  init(_ name: ExtentName, path: String) throws(DiskTierError) {
    self.name = name
    self.path = path
    fileBytes = try FileHandle.openReadOnly(path).size()
  }

  /// Around the page cache where that works: what counts is what the device holds.
  func open() throws(DiskTierError) -> FileHandle {
    if let file = try? FileHandle.openReadOnly(path, direct: true) {
      let page = AlignedBuffer(count: 4096)
      if fileBytes < 4096
        || Transfer.read(file.fd, into: page.address, count: 4096, at: 0) == 0
      {
        return file
      }
    }
    return try FileHandle.openReadOnly(path)
  }
}
