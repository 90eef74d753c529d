import Testing

@testable import HostTier

@Suite("Memory headroom")
struct MemoryHeadroomTests {
  let meminfo = """
    MemTotal:       16000000 kB
    MemFree:          500000 kB
    MemAvailable:    8000000 kB
    Buffers:           10000 kB
    """

  @Test("Kernel texts are understood")
  func parsing() {
    #expect(MemoryHeadroom.availableBytes(meminfo: meminfo) == 8_000_000 << 10)
    #expect(MemoryHeadroom.availableBytes(meminfo: "MemFree: 1 kB") == nil)
    #expect(MemoryHeadroom.availableBytes(meminfo: "MemAvailable: x kB") == nil)
    #expect(MemoryHeadroom.availableBytes(meminfo: "MemAvailable: 9223372036854775807 kB") == nil)
    #expect(
      MemoryHeadroom.cgroups("12:cpu:/a\n4:hugetlb,memory:/b:c\n0::/d/e\nnonsense\n")
        == [.init(version: .v1, path: "/b:c"), .init(version: .v2, path: "/d/e")])
    #expect(
      MemoryHeadroom.directories(of: .init(version: .v2, path: "/a/../b"))
        == ["sys/fs/cgroup", "sys/fs/cgroup/a", "sys/fs/cgroup/a/b"])
    #expect(MemoryHeadroom.limitBytes("max\n") == nil)
    #expect(MemoryHeadroom.limitBytes("9223372036854771712\n") == nil)
    #expect(MemoryHeadroom.limitBytes("1048576\n") == 1_048_576)
    #expect(MemoryHeadroom.limitBytes("-1\n") == nil)
    #expect(MemoryHeadroom.field("inactive_file", of: "anon 5\ninactive_file 7\n") == 7)
    #expect(MemoryHeadroom.field("inactive_file", of: "anon 5\n") == nil)
  }

  @Test("The tightest of machine and cgroups counts, the parents' included")
  func version2() throws {
    let root = TemporaryDirectory()
    try root.write("proc/meminfo", meminfo)
    let headroom = MemoryHeadroom(root: root.path)
    #expect(headroom.availableBytes() == 8_000_000 << 10)
    try root.write("proc/self/cgroup", "0::/pod/engine\n")
    try root.write("sys/fs/cgroup/pod/engine/memory.max", "max\n")
    try root.write("sys/fs/cgroup/pod/engine/memory.current", "1000000\n")
    #expect(headroom.availableBytes() == 8_000_000 << 10)
    try root.write("sys/fs/cgroup/pod/memory.max", "5000000\n")
    try root.write("sys/fs/cgroup/pod/memory.current", "2000000\n")
    #expect(headroom.availableBytes() == 3_000_000)
    try root.write("sys/fs/cgroup/pod/memory.stat", "anon 1\ninactive_file 500000\n")
    #expect(headroom.availableBytes() == 3_500_000)
    #expect(headroom.availableBytes(reserveBytes: 1_000_000) == 2_500_000)
    #expect(headroom.availableBytes(reserveBytes: .max) == 0)
    try root.write("sys/fs/cgroup/pod/memory.current", "7000000\n")
    #expect(headroom.availableBytes() == 0)
    // In a container without a cgroup namespace the limit is found at the mount.
    try root.write("proc/self/cgroup", "0::/host/path\n")
    try root.write("sys/fs/cgroup/memory.max", "400\n")
    try root.write("sys/fs/cgroup/memory.current", "100\n")
    #expect(headroom.availableBytes() == 300)
  }

  @Test("The first version of cgroups is understood as well")
  func version1() throws {
    let root = TemporaryDirectory()
    try root.write("proc/meminfo", meminfo)
    try root.write("proc/self/cgroup", "4:memory:/pod\n0::/\n")
    try root.write("sys/fs/cgroup/memory/pod/memory.limit_in_bytes", "9000\n")
    try root.write("sys/fs/cgroup/memory/pod/memory.usage_in_bytes", "4000\n")
    try root.write(
      "sys/fs/cgroup/memory/pod/memory.stat", "inactive_file 1\ntotal_inactive_file 1000\n")
    #expect(MemoryHeadroom(root: root.path).availableBytes() == 6000)
  }

  @Test("This machine has some memory")
  func real() {
    let bytes = MemoryHeadroom().availableBytes()
    #expect(bytes > 0 && bytes < 1 << 50)
  }
}
