import Glibc
import Testing

@testable import ObjectTier

@Suite("The sweep of a shared directory")
struct FileSweepTests {
  let directory = TemporaryDirectory()
  var root: String { directory.path + "/store" }

  /// Objects 1, 2, … of 1000 bytes, last used so many seconds ago.
  private func store(ages: [Int]) throws -> FileObjectStore {
    let store = try FileObjectStore(path: root)
    for (index, age) in ages.enumerated() {
      #expect(store.put(UInt64(index + 1), 1_000) == .done)
      setAge("\(root)/\(sampleName(UInt64(index + 1)).path)", age)
    }
    return store
  }

  private func setAge(_ path: String, _ age: Int, used: Int? = nil) {
    let now = time(nil)
    let times = [
      timespec(tv_sec: now - (used ?? age), tv_nsec: 0), timespec(tv_sec: now - age, tv_nsec: 0),
    ]
    #expect(utimensat(AT_FDCWD, path, times, 0) == 0)
  }

  private func left(_ store: FileObjectStore, of count: Int) -> [Int] {
    (1...count).filter { store.look(UInt64($0)) == .done }
  }

  @Test("Without a limit, or within it, nothing goes")
  func nothing() throws {
    let store = try store(ages: [10, 1_000_000])
    for limits in [
      ObjectLimits(), ObjectLimits(ageMaxSeconds: 2_000_000), ObjectLimits(bytesMax: 2_000),
    ] {
      let sweep = try store.sweep(limits)
      #expect(sweep.objectCount == 2 && sweep.byteCount == 2_000)
      #expect(sweep.removedCount == 0 && sweep.temporaryCount == 0)
    }
    #expect(left(store, of: 2) == [1, 2])
  }

  @Test("Beyond an age all go, whether unused or unwritten for so long")
  func age() throws {
    let store = try store(ages: [10, 5_000, 90_000, 5_000])
    // Written long ago, used just now.
    setAge("\(root)/\(sampleName(4).path)", 90_000, used: 3)
    let sweep = try store.sweep(ObjectLimits(ageMaxSeconds: 4_000))
    #expect(sweep.removedCount == 2 && sweep.removedBytes == 2_000)
    #expect(left(store, of: 4) == [1, 4])
  }

  @Test("Beyond a size the longest unused go, and no more than have to")
  func size() throws {
    let store = try store(ages: [500, 40_000, 10, 900, 70_000, 3])
    #expect(try store.sweep(ObjectLimits(bytesMax: 3_500)).removedCount == 3)
    #expect(left(store, of: 6) == [1, 3, 6])
    // Of equally old ones as many as have to.
    for number in 7...16 { #expect(store.put(UInt64(number), 1_000) == .done) }
    for number in [1, 3, 6] + Array(7...16) {
      setAge("\(root)/\(sampleName(UInt64(number)).path)", 100_000 + number)
    }
    #expect(try store.sweep(ObjectLimits(bytesMax: 8_000)).removedCount == 5)
    #expect(try store.sweep(ObjectLimits(bytesMax: 0)).removedCount == 8)
    #expect(left(store, of: 16).isEmpty)
  }

  @Test("Two nodes that sweep in turn take no more than one")
  func twoNodes() throws {
    let one = try store(ages: Array(1...40).map { $0 * 1_000 })
    let two = try FileObjectStore(path: root)
    #expect(try one.sweep(ObjectLimits(bytesMax: 25_000)).removedCount == 15)
    #expect(try two.sweep(ObjectLimits(bytesMax: 25_000)).removedCount == 0)
    #expect(left(two, of: 40) == Array(1...25))
  }

  @Test("A read makes an object young again, and so does a put that finds it there")
  func touch() throws {
    let store = try store(ages: [50_000, 50_000, 50_000])
    #expect(store.has(1, 1_000) && store.put(3, 1_000) == .done)
    #expect(try store.sweep(ObjectLimits(ageMaxSeconds: 40_000)).removedCount == 1)
    #expect(left(store, of: 3) == [1, 3])
  }

  @Test("Old temporary files go by their names; whatever is not ours stays, however old")
  func foreign() throws {
    let store = try store(ages: [])
    #expect(store.put(1) == .done)
    let folder = "store/" + sampleName(1).namespaceFolder
    let digits = String(repeating: "a", count: 32)
    let ours = ["store/.kvbm-\(digits).part", "\(folder)/15/.kvbm-\(digits).part"]
    let young = "\(folder)/15/.kvbm-\(String(repeating: "b", count: 32)).part"
    let others = [
      "store/notes.txt", "store/.kvbm-12.part", "store/\(digits)", "\(folder)/\(digits).1",
      "\(folder)/15/\(digits)", "\(folder)/15/\(digits).x", "\(folder)/15/\(digits).1.bak",
      "\(folder)/15/\(digits.uppercased()).1", "\(folder)/other/\(digits).1",
      "store/folder/15/\(digits).1", "\(folder)/15/.kvbm-\(digits).party",
    ]
    for name in ours + others + [young] { directory.write(name, [1]) }
    for name in ours + others { setAge("\(directory.path)/\(name)", 1_000_000) }
    setAge("\(root)/kvbm-objects.json", 1_000_000)
    setAge("\(root)/\(sampleName(1).path)", 1_000_000)
    let before = directory.tree
    let sweep = try store.sweep(ObjectLimits(ageMaxSeconds: 10, bytesMax: 0))
    #expect(sweep.removedCount == 1 && sweep.temporaryCount == 2 && sweep.objectCount == 1)
    let gone = before.subtracting(directory.tree)
    #expect(gone == Set(ours.map { "/\($0)" } + ["/store/\(sampleName(1).path)"]))
  }
}
