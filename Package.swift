// swift-tools-version: 6.2
import PackageDescription

/// Checks of whole containers after every change. On in debug builds, and so in tests.
let checks: SwiftSetting = .define("KVBM_CHECKS", .when(configuration: .debug))

/// C: headers, and what Swift's Glibc module leaves out.
let c: [Target] = [
  .target(name: "CSlotFormat", path: "Sources/C/CSlotFormat"),
  .target(name: "CHint", path: "Sources/C/CHint"),
  .target(name: "CLinux", path: "Sources/C/CLinux"),
  .target(name: "CXXH3", path: "Sources/C/CXXH3"),
  .target(name: "CCurl", path: "Sources/C/CCurl"),
  .target(
    name: "CSHA256", path: "Sources/C/CSHA256",
    linkerSettings: [.linkedLibrary(":libcrypto.a")]),
  .target(
    name: "CProtection", path: "Sources/C/CProtection",
    linkerSettings: [.linkedLibrary(":libcrypto.a")]),
]

/// Logic: pure, no I/O, no clock, no threads, no locks; and the simulator that plays it.
let logic: [Target] = [
  .target(
    name: "BlockIdentity", dependencies: ["CSHA256"], path: "Sources/Logic/BlockIdentity",
    swiftSettings: [checks]),
  .target(
    name: "BlockPolicy", dependencies: ["BlockIdentity", "CHint"],
    path: "Sources/Logic/BlockPolicy", swiftSettings: [checks]),
  .target(
    name: "BlockPool", dependencies: ["BlockIdentity", "BlockPolicy", "CHint"],
    path: "Sources/Logic/BlockPool", swiftSettings: [checks]),
  .target(
    name: "PathEstimate", path: "Sources/Logic/PathEstimate", swiftSettings: [checks]),
  .target(
    name: "BlockEngine",
    dependencies: ["BlockIdentity", "BlockPool", "BlockPolicy", "PathEstimate"],
    path: "Sources/Logic/BlockEngine", swiftSettings: [checks]),
  .target(
    name: "KVBMTesting",
    dependencies: ["BlockIdentity", "BlockPolicy", "BlockPool", "BlockEngine"],
    path: "Sources/Testing/KVBMTesting", swiftSettings: [checks]),
  .target(
    name: "KVBMReplay",
    dependencies: ["BlockIdentity", "BlockPolicy", "BlockPool", "BlockEngine"],
    path: "Sources/Testing/KVBMReplay", swiftSettings: [checks]),
]

/// Transfer: bytes and their places; and the campaigns that cut power and processes off.
let transfer: [Target] = [
  .target(
    name: "KVLayout", dependencies: ["CSlotFormat", "CXXH3", "BlockIdentity"],
    path: "Sources/Transfer/KVLayout"),
  .target(
    name: "Protection", dependencies: ["CProtection", "CSHA256", "KVLayout"],
    path: "Sources/Transfer/Protection"),
  .target(
    name: "HostTier", dependencies: ["CLinux", "KVLayout"], path: "Sources/Transfer/HostTier"),
  .target(
    name: "DiskTier",
    dependencies: ["CLinux", "CSlotFormat", "KVLayout", "BlockIdentity", "Protection"],
    path: "Sources/Transfer/DiskTier"),
  .target(
    name: "ObjectTier",
    dependencies: ["CCurl", "CLinux", "CSHA256", "DiskTier", "KVLayout", "BlockIdentity"],
    path: "Sources/Transfer/ObjectTier"),
  .target(
    name: "KVBMCampaigns", dependencies: ["DiskTier", "KVLayout", "BlockIdentity", "KVBMTesting"],
    path: "Sources/Testing/KVBMCampaigns"),
]

let coreTests: [Target] = [
  .testTarget(name: "BlockIdentityTests", dependencies: ["BlockIdentity"]),
  .testTarget(
    name: "BlockPoolTests", dependencies: ["BlockIdentity", "BlockPolicy", "BlockPool"]),
  .testTarget(name: "PathEstimateTests", dependencies: ["PathEstimate", "KVBMTesting"]),
  .testTarget(name: "BlockEngineTests", dependencies: ["BlockEngine", "KVBMTesting"]),
  .testTarget(
    name: "KVLayoutTests",
    dependencies: ["KVLayout", "BlockIdentity", "CSlotFormat", "CXXH3", "KVBMTesting"]),
  .testTarget(
    name: "ProtectionTests",
    dependencies: ["Protection", "KVLayout", "BlockIdentity", "KVBMTesting"]),
  .testTarget(
    name: "TierTests",
    dependencies: [
      "HostTier", "DiskTier", "KVLayout", "BlockIdentity", "CLinux", "CSlotFormat", "KVBMTesting",
      "Protection", "KVBMCampaigns",
    ]),
  .testTarget(
    name: "ObjectTierTests",
    dependencies: ["ObjectTier", "DiskTier", "KVLayout", "BlockIdentity", "KVBMTesting"],
    exclude: ["s3_server.py"]),
]

/// Client, node and service: the library inside an engine's process, `kvbm serve`, the command.
let outer: [Target] = [
  .target(name: "CKVBM", path: "Sources/C/CKVBM"),
  .target(name: "Wire", dependencies: ["CLinux", "BlockIdentity"], path: "Sources/Client/Wire"),
  .target(
    name: "KVBMLibrary", dependencies: ["CKVBM", "CLinux", "Wire", "BlockIdentity", "KVLayout"],
    path: "Sources/Client/KVBMLibrary"),
  .target(
    name: "KVBMNode",
    dependencies: [
      "CLinux", "CSlotFormat", "Wire", "BlockIdentity", "BlockPool", "BlockEngine", "KVLayout",
      "HostTier", "DiskTier", "ObjectTier", "Protection",
    ], path: "Sources/Node/KVBMNode"),
  .executableTarget(
    name: "KVBMCommand",
    dependencies: [
      "KVBMNode", "DiskTier", "KVLayout", "Protection", "Wire", "BlockEngine", "BlockPolicy",
      "KVBMReplay", "KVBMTesting", "KVBMCampaigns", "PoolBenchmarks", "TierBenchmarks",
      .product(name: "ArgumentParser", package: "swift-argument-parser"),
    ], path: "Sources/Service/kvbm"),
  .target(name: "CAllocations", path: "Benchmarks/Allocations"),
  .target(name: "CBaseline", path: "Benchmarks/Baseline"),
  .target(
    name: "PoolBenchmarks",
    dependencies: ["CBaseline", "BlockIdentity", "BlockPolicy", "BlockPool"],
    path: "Benchmarks/Pool"),
  .target(
    name: "TierBenchmarks",
    dependencies: ["CLinux", "BlockIdentity", "DiskTier", "KVLayout", "Protection"],
    path: "Benchmarks/Tiers"),
  .executableTarget(
    name: "kvbm-benchmarks",
    dependencies: ["BlockIdentity", "CAllocations", "KVLayout", "PoolBenchmarks"],
    path: "Benchmarks/Core"),
  .testTarget(
    name: "ReplayTests", dependencies: ["KVBMReplay", "BlockPolicy", "BlockPool", "KVBMTesting"],
    path: "Tests/ReplayTests", resources: [.copy("Traces")]),
  .testTarget(name: "WireTests", dependencies: ["Wire", "BlockIdentity"]),
  .testTarget(
    name: "NodeTests",
    dependencies: [
      "KVBMNode", "KVBMLibrary", "CKVBM", "Wire", "BlockEngine", "BlockIdentity", "KVLayout",
      "HostTier", "ObjectTier",
    ]),
]

/// KVBM_PART=core leaves out what sanitizers are not run on.
let isCore = Context.environment["KVBM_PART"] == "core"

let package = Package(
  name: "swift-kvbm",
  products: isCore
    ? []
    : [
      .library(name: "kvbm", type: .dynamic, targets: ["KVBMLibrary"]),
      // Installed as `kvbm`: two products cannot share that name.
      .executable(name: "kvbm-cli", targets: ["KVBMCommand"]),
    ],
  dependencies: isCore
    ? []
    : [.package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2")],
  targets: c + logic + transfer + coreTests + (isCore ? [] : outer),
  swiftLanguageModes: [.v6]
)
