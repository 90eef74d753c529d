import DiskTier
import Glibc
import Synchronization
import Testing

@testable import ObjectTier

@Suite("Objects in a shared directory")
struct FileObjectStoreTests {
  let directory = TemporaryDirectory()
  var root: String { directory.path + "/store" }

  private func path(_ number: UInt64) -> String { "store/" + sampleName(number).path }

  @Test("What one node puts, another gets as it was")
  func roundTrip() throws {
    let (one, two) = (try FileObjectStore(path: root), try FileObjectStore(path: root + "/"))
    #expect(one.look(1) == .missing && one.get(1).outcome == .missing)
    for (number, byteCount) in [(1, 12_288), (2, 1), (3, 9 << 20)] {
      #expect(one.put(UInt64(number), byteCount) == .done)
      #expect(two.look(UInt64(number)) == .done)
      #expect(two.has(UInt64(number), byteCount))
    }
    #expect(two.remove(1) == .done && two.remove(1) == .missing && one.look(1) == .missing)
    #expect(one.figures == ObjectFigures() && two.figures == ObjectFigures())
  }

  @Test("Names are 32 digits, two digits, and key and format; nothing else is left behind")
  func names() throws {
    let store = try FileObjectStore(path: root)
    #expect(store.put(1) == .done)
    let name = sampleName(1).path
    #expect(name == "07000000000000000100000000000000/15/157c4a7fb979379e0100000000000000.1")
    let folder = "/store/07000000000000000100000000000000"
    #expect(
      directory.tree
        == ["/store", "/store/kvbm-objects.json", folder, folder + "/15", "/store/" + name])
  }

  @Test("An object that is there wins, and is not written again")
  func existing() throws {
    let store = try FileObjectStore(path: root)
    #expect(store.put(1) == .done)
    let other = ObjectMemory(12_288, 99)
    let again = store.perform(.put(from: other.address, byteCount: 12_288), sampleName(1))
    #expect(again == .done && store.figures.existingCount == 1)
    #expect(store.has(1))
  }

  @Test("An object of another length is missing, goes, and can be put again")
  func damaged() throws {
    let store = try FileObjectStore(path: root)
    for (index, byteCount) in [12_287, 0, 12_289].enumerated() {
      directory.write(path(1), Array(ObjectMemory.content(20_000, 1).prefix(byteCount)))
      let (outcome, memory) = store.get(1)
      #expect(outcome == .missing && memory.isGuarded)
      #expect(store.figures.damagedCount == index + 1)
      #expect(directory.read(path(1)) == nil)
      #expect(store.put(1) == .done && store.has(1))
    }
    // A put meets one as well.
    directory.write(path(2), [1, 2, 3])
    #expect(store.put(2) == .done && store.has(2))
  }

  @Test("Writers and readers of one name at once: whole or missing, never torn")
  func race() throws {
    let (one, two) = (try FileObjectStore(path: root), try FileObjectStore(path: root))
    let byteCount = 1 << 20
    for number in 0..<UInt64(24) {
      let source = ObjectMemory(byteCount, number)
      let answers = Answers()
      let memories = (0..<24).map { _ in ObjectMemory(byteCount) }
      for (index, memory) in memories.enumerated() {
        let operation: ObjectJob.Operation =
          index % 3 == 0
          ? .put(from: source.address, byteCount: byteCount)
          : .get(into: memory.address, byteCount: byteCount)
        let job = ObjectJob(
          operation, name: sampleName(number), deadline: .max, complete: answers.callback(index))
        #expect((index % 2 == 0 ? one : two).submit(job))
      }
      for (index, memory) in memories.enumerated() {
        let outcome = answers.wait(for: index)
        if index % 3 == 0 {
          #expect(outcome == .done)
        } else if outcome == .done {
          #expect(memory.content == source.content)
        } else {
          #expect(outcome == .missing)
        }
      }
      #expect(one.has(number, byteCount))
    }
    #expect(one.figures.damagedCount + two.figures.damagedCount == 0)
    #expect(!directory.tree.contains { $0.contains(".part") })
  }

  @Test("A directory with other files is refused and left as it is")
  func foreign() throws {
    directory.write("store/photo.jpg", [1])
    let before = directory.tree
    #expect(throws: ObjectError.notAStore(path: root)) { try FileObjectStore(path: root) }
    #expect(directory.tree == before)
    #expect(ObjectError.notAStore(path: root).description.contains("Name an empty directory"))
  }

  @Test("A store of a later format is refused and left as it is")
  func newer() throws {
    directory.write("store/kvbm-objects.json", Array("{\"format\": 2, \"x\": [1]}".utf8))
    let before = directory.tree
    #expect(throws: ObjectError.newerFormat(path: root, version: 2, known: 1)) {
      try FileObjectStore(path: root)
    }
    #expect(directory.tree == before)
  }

  @Test("A directory in a place that is not there is not made")
  func noParent() {
    let path = root + "/below/it"
    #expect(throws: ObjectError.system(call: "mkdir", path: path, errno: ENOENT)) {
      try FileObjectStore(path: path)
    }
  }

  @Test("Nodes that open an empty directory at once agree on it")
  func openTogether() throws {
    for _ in 0..<20 {
      let errors = Atomic(0)
      let group = ThreadGroup()
      for _ in 0..<6 {
        let code = group.start(name: "open") { [root] in
          if (try? FileObjectStore(path: root))?.put(1) != .done {
            errors.add(1, ordering: .relaxed)
          }
        }
        #expect(code == 0)
      }
      group.join()
      #expect(errors.load(ordering: .relaxed) == 0)
      TemporaryDirectory.remove(root)
    }
  }

  @Test("Removed while it runs: failures that say so; made again: it goes on")
  func removed() throws {
    let store = try FileObjectStore(path: root)
    #expect(store.put(1) == .done)
    TemporaryDirectory.remove(root)
    let gone = ObjectOutcome.failed(.gone(path: root))
    #expect(store.get(1).outcome == gone && store.put(1) == gone && store.look(1) == gone)
    #expect(directory.tree.isEmpty)
    mkdir(root, 0o700)
    #expect(store.get(1).outcome == .missing)
    #expect(store.put(1) == .done && store.has(1))
    #expect(directory.read("store/kvbm-objects.json") != nil)
  }

  @Test("Not mounted any more: nothing is written where it was; mounted again: it goes on")
  func unmounted() throws {
    // Another file system is what tells a mount point from what was mounted there.
    let other = TemporaryDirectory(in: "/dev/shm")
    let (real, mount) = (directory.path + "/real", directory.path + "/mount")
    mkdir(real, 0o700)
    symlink(real, mount)
    let store = try FileObjectStore(path: mount)
    #expect(store.put(1) == .done)
    unlink(mount)
    symlink(other.path, mount)
    let gone = ObjectOutcome.failed(.gone(path: mount))
    #expect(store.put(2) == gone && store.get(1).outcome == gone)
    #expect(other.tree.isEmpty)
    unlink(mount)
    symlink(real, mount)
    #expect(store.has(1) && store.put(2) == .done)
  }

  @Test("A file in the way of a folder is an error with its path, until it goes")
  func obstacle() throws {
    let store = try FileObjectStore(path: root)
    let folder = "store/" + sampleName(1).namespaceFolder
    directory.write(folder, [1])
    for outcome in [store.put(1), store.get(1).outcome, store.look(1)] {
      guard case .failed(.system(_, let path, ENOTDIR)) = outcome else {
        Issue.record("\(String(describing: outcome))")
        continue
      }
      #expect(path.hasPrefix(root))
    }
    unlink("\(directory.path)/\(folder)")
    #expect(store.put(1) == .done && store.has(1))
  }
}
