// swift-tools-version:6.1
import PackageDescription

// The Makefile sets STRICT: warnings are errors in this package's own targets. It is not the default, because a
// package with unsafe flags cannot be depended upon.
let strict: [SwiftSetting] =
  Context.environment["STRICT"] == nil ? [] : [.unsafeFlags(["-warnings-as-errors"])]

let settings: [SwiftSetting] =
  strict + [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
  ]

let grpcCore: Target.Dependency = .product(name: "GRPCCore", package: "grpc-swift-2")
let grpcProtobuf: Target.Dependency = .product(name: "GRPCProtobuf", package: "grpc-swift-protobuf")
let inProcessTransport: Target.Dependency = .product(name: "GRPCInProcessTransport", package: "grpc-swift-2")
let swiftProtobuf: Target.Dependency = .product(name: "SwiftProtobuf", package: "swift-protobuf")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

/// A module of the program. Its dependencies are the arrows in docs/architecture.md, which a test compares.
func module(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
  .target(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: settings)
}

/// The tests of one module, which need neither root nor systemd.
func unitTests(_ module: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(
    name: "\(module)Tests", dependencies: [.init(stringLiteral: module)] + dependencies,
    path: "Tests/Unit/\(module)Tests", swiftSettings: settings)
}

let modules: [Target] = [
  .systemLibrary(name: "CGRPC", providers: [.apt(["libgrpc-dev"])]),
  .systemLibrary(name: "CLinux"),
  module("AsyncPrimitives", []),
  module("Processes", ["AsyncPrimitives", "CLinux", logging]),
  module("ControlGroups", ["CLinux", "Processes"]),
  module("ExecHelper", ["CLinux", "ControlGroups", "Processes"]),
  module("Systemd", ["Processes", logging]),
  module("Transcripts", ["Processes", "Systemd", logging]),
  module("LibGRPCTransport", ["AsyncPrimitives", "CGRPC", grpcCore]),
  module(
    "GoPlugin",
    [
      "AsyncPrimitives", "LibGRPCTransport", "Processes", grpcCore, grpcProtobuf, swiftProtobuf, logging,
    ],
    exclude: ["Protos"]),
  module("MessagePack", []),
  module(
    "NomadPlugin", ["AsyncPrimitives", "MessagePack", grpcCore, grpcProtobuf, swiftProtobuf],
    exclude: ["Protos"]),
  module(
    "SystemdDriver",
    [
      "AsyncPrimitives", "CLinux", "ControlGroups", "ExecHelper", "NomadPlugin", "Processes", "Systemd",
      "Transcripts", logging,
    ]),
  .executableTarget(
    name: "nomad-driver-systemd",
    dependencies: [
      "ExecHelper", "GoPlugin", "MessagePack", "NomadPlugin", "Processes", "Systemd", "SystemdDriver",
      "Transcripts", grpcCore, logging, argumentParser,
    ],
    swiftSettings: settings),
]

let tests: [Target] = [
  .target(
    name: "TestHelpers",
    dependencies: ["AsyncPrimitives", "NomadPlugin", "MessagePack", "Processes", "Systemd", logging],
    path: "Tests/Support/TestHelpers", swiftSettings: settings),
  .target(
    name: "NomadTestSupport",
    dependencies: [
      "AsyncPrimitives", "GoPlugin", "LibGRPCTransport", "MessagePack", "NomadPlugin", "Processes", "Systemd",
      "TestHelpers", grpcCore, logging,
    ],
    path: "Tests/Support/NomadTestSupport", swiftSettings: settings),
  .testTarget(
    name: "ArchitectureTests", dependencies: ["TestHelpers"], path: "Tests/Unit/ArchitectureTests",
    swiftSettings: settings),
  unitTests("AsyncPrimitives", ["TestHelpers"]),
  unitTests("Processes", ["AsyncPrimitives", "TestHelpers", logging]),
  unitTests("ControlGroups", ["TestHelpers"]),
  unitTests("ExecHelper", ["Processes", "TestHelpers"]),
  unitTests("Systemd", ["AsyncPrimitives", "Processes", "TestHelpers", logging]),
  unitTests("Transcripts", ["AsyncPrimitives", "Processes", "Systemd", "TestHelpers", logging]),
  unitTests("LibGRPCTransport", ["TestHelpers", grpcCore]),
  unitTests(
    "GoPlugin",
    [
      "AsyncPrimitives", "LibGRPCTransport", "Processes", "TestHelpers", grpcCore, swiftProtobuf, logging,
    ]),
  unitTests("MessagePack", ["TestHelpers"]),
  unitTests("NomadPlugin", ["MessagePack", grpcCore, grpcProtobuf, swiftProtobuf, inProcessTransport]),
  unitTests(
    "SystemdDriver",
    [
      "AsyncPrimitives", "ControlGroups", "MessagePack", "NomadPlugin", "Processes", "Systemd",
      "TestHelpers", "Transcripts", logging,
    ]),
  .testTarget(
    name: "IntegrationTests",
    dependencies: [
      "AsyncPrimitives", "GoPlugin", "MessagePack", "NomadPlugin", "NomadTestSupport", "Processes", "Systemd",
      "TestHelpers", "Transcripts", "nomad-driver-systemd", grpcCore, logging,
    ],
    path: "Tests/Integration", swiftSettings: settings),
  .testTarget(
    name: "HostTests",
    dependencies: [
      "MessagePack", "NomadPlugin", "NomadTestSupport", "Processes", "Systemd", "TestHelpers",
      "nomad-driver-systemd",
    ],
    path: "Tests/Host", swiftSettings: settings),
  .target(
    name: "FuzzTargets",
    dependencies: [
      "ControlGroups", "ExecHelper", "GoPlugin", "MessagePack", "NomadPlugin", "Processes", "Systemd",
      "SystemdDriver", "Transcripts", logging,
    ],
    path: "Tests/Fuzz/FuzzTargets", swiftSettings: settings),
  .testTarget(
    name: "FuzzTests", dependencies: ["FuzzTargets"], path: "Tests/Fuzz/FuzzTests", swiftSettings: settings),
  .executableTarget(
    name: "driver-bench",
    dependencies: ["NomadPlugin", "NomadTestSupport", "Processes", "Systemd", "TestHelpers"],
    path: "Tests/Benchmarks", swiftSettings: settings),
  .executableTarget(
    name: "driver-soak",
    dependencies: ["AsyncPrimitives", "GoPlugin", "NomadPlugin", "NomadTestSupport", "TestHelpers"],
    path: "Tests/Soak", swiftSettings: settings),
]

let package = Package(
  name: "nomad-driver-systemd",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "nomad-driver-systemd", targets: ["nomad-driver-systemd"]),
    .library(name: "NomadPlugin", targets: ["GoPlugin", "NomadPlugin"]),
    .library(name: "Systemd", targets: ["Processes", "Systemd"]),
  ],
  dependencies: [
    .package(url: "https://github.com/grpc/grpc-swift-2.git", from: "2.4.3"),
    .package(url: "https://github.com/grpc/grpc-swift-protobuf.git", from: "2.4.1"),
    .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0", traits: []),
    .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
  ],
  targets: modules + tests,
  swiftLanguageModes: [.v6]
)

// `make fuzz` sets FUZZ: this package's modules tell libFuzzer which of their code an input reaches, and all memory that
// they touch is checked. lld, as gold cannot link that.
if Context.environment["FUZZ"] != nil {
  let sanitizers = "-sanitize=fuzzer,address"
  for target in package.targets where target.type != .system {
    target.swiftSettings = (target.swiftSettings ?? []) + [.unsafeFlags([sanitizers, "-enable-testing"])]
  }
  package.targets += [
    .systemLibrary(name: "CFuzzer", path: "Tests/Fuzz/CFuzzer"),
    .executableTarget(
      name: "driver-fuzz", dependencies: ["CFuzzer", "FuzzTargets"], path: "Tests/Fuzz/Fuzzer",
      swiftSettings: settings,
      linkerSettings: [.unsafeFlags([sanitizers, "-use-ld=lld"])]),
  ]
}
