// swift-tools-version:6.1
import PackageDescription

// The Makefile sets STRICT: warnings are errors in this package's own targets. It is not the default,
// because a package with unsafe flags cannot be depended upon.
let strict: [SwiftSetting] =
  Context.environment["STRICT"] == nil ? [] : [.unsafeFlags(["-warnings-as-errors"])]

let grpcCore: Target.Dependency = .product(name: "GRPCCore", package: "grpc-swift-2")
let grpcProtobuf: Target.Dependency = .product(name: "GRPCProtobuf", package: "grpc-swift-protobuf")
let swiftProtobuf: Target.Dependency = .product(name: "SwiftProtobuf", package: "swift-protobuf")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "nomad-driver-systemd",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "nomad-driver-systemd", targets: ["nomad-driver-systemd"]),
    .library(name: "NomadPlugin", targets: ["GoPlugin", "NomadPlugin"]),
    .library(name: "Systemd", targets: ["Systemd"]),
  ],
  dependencies: [
    .package(url: "https://github.com/grpc/grpc-swift-2.git", from: "2.4.3"),
    .package(url: "https://github.com/grpc/grpc-swift-protobuf.git", from: "2.4.1"),
    .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0", traits: []),
    .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
  ],
  targets: [
    .systemLibrary(name: "CGRPC", providers: [.apt(["libgrpc-dev"])]),
    .target(name: "Promises", swiftSettings: strict),
    .systemLibrary(name: "CSpawn"),
    .target(name: "Spawning", dependencies: ["CSpawn"], swiftSettings: strict),
    .target(name: "LibGRPCTransport", dependencies: ["CGRPC", "Promises", grpcCore], swiftSettings: strict),
    .target(
      name: "GoPlugin",
      dependencies: [
        "LibGRPCTransport", "Promises", "Spawning", grpcCore, grpcProtobuf, swiftProtobuf, logging,
      ],
      exclude: ["Protos"], swiftSettings: strict),
    .target(name: "MessagePack", swiftSettings: strict),
    .target(
      name: "NomadPlugin", dependencies: ["MessagePack", grpcCore, grpcProtobuf, swiftProtobuf],
      exclude: ["Protos"], swiftSettings: strict),
    .target(
      name: "Systemd", dependencies: ["CSpawn", "Promises", "Spawning", logging], swiftSettings: strict),
    .target(
      name: "SystemdDriver", dependencies: ["NomadPlugin", "Promises", "Systemd", logging],
      swiftSettings: strict),
    .executableTarget(
      name: "nomad-driver-systemd",
      dependencies: [
        "GoPlugin", "MessagePack", "NomadPlugin", "Systemd", "SystemdDriver", grpcCore, logging,
        argumentParser,
      ],
      swiftSettings: strict),
    .testTarget(
      name: "GoPluginTests",
      dependencies: ["GoPlugin", "LibGRPCTransport", "Promises", grpcCore, swiftProtobuf, logging],
      swiftSettings: strict),
    .testTarget(name: "PromisesTests", dependencies: ["Promises"], swiftSettings: strict),
    .testTarget(name: "MessagePackTests", dependencies: ["MessagePack"], swiftSettings: strict),
    .testTarget(name: "SystemdTests", dependencies: ["Promises", "Systemd", logging], swiftSettings: strict),
    .testTarget(
      name: "SystemdDriverTests",
      dependencies: ["SystemdDriver", "MessagePack", "NomadPlugin", "Promises", "Systemd", logging],
      swiftSettings: strict),
    .target(
      name: "TestSupport",
      dependencies: [
        "GoPlugin", "LibGRPCTransport", "MessagePack", "NomadPlugin", "Systemd", grpcCore, logging,
      ],
      path: "Tests/TestSupport", swiftSettings: strict),
    .testTarget(
      name: "IntegrationTests",
      dependencies: [
        "GoPlugin", "MessagePack", "NomadPlugin", "Systemd", "TestSupport", "nomad-driver-systemd", grpcCore,
        logging,
      ],
      swiftSettings: strict),
    .testTarget(
      name: "HostTests",
      dependencies: ["MessagePack", "NomadPlugin", "Systemd", "TestSupport", "nomad-driver-systemd"],
      swiftSettings: strict),
    .target(
      name: "FuzzTargets",
      dependencies: ["GoPlugin", "MessagePack", "NomadPlugin", "Systemd", "SystemdDriver", logging],
      path: "Tests/FuzzTargets", swiftSettings: strict),
    .testTarget(name: "FuzzTests", dependencies: ["FuzzTargets"], swiftSettings: strict),
    .executableTarget(
      name: "driver-bench", dependencies: ["NomadPlugin", "Systemd", "TestSupport"],
      path: "Tests/Benchmarks", swiftSettings: strict),
    .executableTarget(
      name: "driver-soak", dependencies: ["GoPlugin", "NomadPlugin", "Promises", "TestSupport"],
      path: "Tests/Soak", swiftSettings: strict),
    .testTarget(
      name: "LibGRPCTransportTests", dependencies: ["LibGRPCTransport", grpcCore], swiftSettings: strict),
    .testTarget(
      name: "NomadPluginTests",
      dependencies: [
        "NomadPlugin", "MessagePack", grpcCore, grpcProtobuf, swiftProtobuf,
        .product(name: "GRPCInProcessTransport", package: "grpc-swift-2"),
      ], swiftSettings: strict),
  ],
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
    .systemLibrary(name: "CFuzzer", path: "Tests/CFuzzer"),
    .executableTarget(
      name: "driver-fuzz", dependencies: ["CFuzzer", "FuzzTargets"], path: "Tests/Fuzzer",
      swiftSettings: strict,
      linkerSettings: [.unsafeFlags([sanitizers, "-use-ld=lld"])]),
  ]
}
