// swift-tools-version: 6.2
import PackageDescription

// The rooms of the house, in the order in which they may import each other: docs/ARCHITECTURE.md.
let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .swiftLanguageMode(.v6),
]

// Released code is compiled for size, flash and memory being budgets (Scripts/bench); only the codec, OCPP, for speed.
let small = settings + [.unsafeFlags(["-Osize"], .when(configuration: .release))]

// Released programs: nobody looks their symbols up by name, so the table of them goes (2 MB), and relative relocations
// are packed (1 MB), which glibc understands since 2.36. Both count twice, in flash and in memory.
let program: [LinkerSetting] = [
  .unsafeFlags(
    ["-use-ld=lld"] + ["--no-export-dynamic", "-z", "pack-relative-relocs"].flatMap { ["-Xlinker", $0] },
    .when(platforms: [.linux], configuration: .release))
]

let c: [CSetting] = [.define("_GNU_SOURCE"), .unsafeFlags(["-Wall", "-Wextra", "-Werror"])]

// relayd is C and locks its memory: with the static standard library of a release nothing of Swift gets into it.
let onlyC: [LinkerSetting] = [.unsafeFlags(["-nostartfiles"], .when(platforms: [.linux]))]

let nio: [Target.Dependency] = [
  .product(name: "NIOCore", package: "swift-nio"),
  .product(name: "NIOPosix", package: "swift-nio"),
]

let package = Package(
  name: "station",
  products: [
    .executable(name: "station", targets: ["station"]),
    .executable(name: "stationd", targets: ["stationd"]),
    .executable(name: "station-relayd", targets: ["station-relayd"]),
    .executable(name: "station-transfer", targets: ["station-transfer"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.2.0"),
  ],
  targets: [
    .target(name: "OCPP", swiftSettings: settings),
    .target(name: "DeviceModel", dependencies: ["OCPP"], swiftSettings: small),
    .target(
      name: "StationCore",
      dependencies: ["OCPP", "DeviceModel", .product(name: "DequeModule", package: "swift-collections")],
      swiftSettings: small),
    .target(name: "CProcess", cSettings: c),
    .target(name: "Threads", dependencies: ["CProcess"], swiftSettings: small),
    .target(name: "CSQLite", linkerSettings: [.linkedLibrary("sqlite3")]),
    .target(name: "Ledger", dependencies: ["OCPP", "StationCore", "CSQLite", "Threads"], swiftSettings: small),
    .target(name: "Logs", dependencies: ["OCPP", "StationCore", "Threads"], swiftSettings: small),
    .target(
      name: "COpenSSL", cSettings: c + [.define("OPENSSL_SUPPRESS_DEPRECATED")],
      linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
    .target(
      name: "Certificates", dependencies: ["OCPP", "StationCore", "Threads", "COpenSSL"], swiftSettings: small),
    .target(
      name: "CSMSLink",
      dependencies: nio + [
        "OCPP", "StationCore", "Certificates", "COpenSSL", "Threads",
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOWebSocket", package: "swift-nio"),
      ], swiftSettings: small),
    .target(name: "CModbus", linkerSettings: [.linkedLibrary("modbus")]),
    .target(name: "CGPIOD", cSettings: c, linkerSettings: [.linkedLibrary("gpiod")]),
    .target(name: "CRelay", cSettings: c),
    .target(name: "CCurl", cSettings: c, linkerSettings: [.linkedLibrary("curl")]),
    .executableTarget(
      name: "station-transfer", dependencies: ["OCPP", "CCurl", "CProcess"], swiftSettings: settings,
      linkerSettings: program),
    .executableTarget(
      name: "station-relayd", dependencies: ["CRelay", "CGPIOD"], cSettings: c, linkerSettings: program + onlyC),
    .target(
      name: "Hardware",
      dependencies: ["OCPP", "DeviceModel", "StationCore", "Threads", "Certificates", "CModbus", "CGPIOD", "CRelay"],
      swiftSettings: small),
    .target(
      name: "StationRuntime",
      dependencies: nio + [
        "OCPP", "DeviceModel", "StationCore", "Ledger", "Logs", "Certificates", "CSMSLink", "Hardware",
        "CProcess",
      ],
      swiftSettings: small),
    .executableTarget(
      name: "stationd", dependencies: ["StationRuntime"], swiftSettings: small, linkerSettings: program),
    .executableTarget(
      name: "station",
      dependencies: [
        "OCPP", "DeviceModel", "StationCore", "Certificates", "Hardware",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], swiftSettings: small, linkerSettings: program),

    .executableTarget(
      name: "bench-codec", dependencies: ["OCPP"], path: "Benchmarks/bench-codec", swiftSettings: settings),
    .executableTarget(name: "bench-jsondecoder", path: "Benchmarks/bench-jsondecoder", swiftSettings: settings),

    .testTarget(name: "OCPPTests", dependencies: ["OCPP"], swiftSettings: settings),
    .executableTarget(
      name: "codec-check", dependencies: ["OCPP"], path: "Tests/Support/codec-check", swiftSettings: settings),
    .testTarget(
      name: "DeviceModelTests", dependencies: ["DeviceModel", "OCPP"], swiftSettings: settings),
    .testTarget(
      name: "StationCoreTests", dependencies: ["StationCore", "DeviceModel", "OCPP"],
      swiftSettings: settings),
    .target(
      name: "CFaultVFS", path: "Tests/Support/CFaultVFS", linkerSettings: [.linkedLibrary("sqlite3")]),
    .executableTarget(
      name: "ledger-torture", dependencies: ["Ledger", "StationCore", "CSQLite", "CFaultVFS", "Threads"],
      path: "Tests/Support/ledger-torture", swiftSettings: settings),
    .testTarget(
      name: "LedgerTests", dependencies: ["Ledger", "StationCore", "CSQLite", "Threads", "ledger-torture"],
      swiftSettings: settings),
    .testTarget(name: "LogsTests", dependencies: ["Logs", "StationCore", "OCPP"], swiftSettings: settings),
    .target(
      name: "CTestPKI", path: "Tests/Support/CTestPKI", cSettings: c, linkerSettings: [.linkedLibrary("crypto")]),
    .target(name: "TestPKI", dependencies: ["CTestPKI"], path: "Tests/Support/TestPKI", swiftSettings: settings),
    .testTarget(
      name: "CertificatesTests",
      dependencies: ["Certificates", "COpenSSL", "StationCore", "OCPP", "Threads", "TestPKI"],
      swiftSettings: settings),
    .target(
      name: "CTLSPeer", path: "Tests/Support/CTLSPeer", cSettings: c,
      linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
    .testTarget(
      name: "CSMSLinkTests",
      dependencies: nio + [
        "CSMSLink", "StationCore", "OCPP", "Certificates", "COpenSSL", "CTLSPeer",
        .product(name: "NIOEmbedded", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOWebSocket", package: "swift-nio"),
      ], swiftSettings: settings),
    .executableTarget(
      name: "modbus-poll", dependencies: ["Hardware", "StationCore", "DeviceModel", "OCPP"],
      path: "Tests/Support/modbus-poll",
      swiftSettings: settings),
    .executableTarget(
      name: "gpio-drivers", dependencies: ["Hardware", "StationCore", "DeviceModel"],
      path: "Tests/Support/gpio-drivers", swiftSettings: settings),
    .executableTarget(
      name: "driver-watch", dependencies: ["Hardware", "StationCore", "DeviceModel", "OCPP"],
      path: "Tests/Support/driver-watch", exclude: ["watch.py"],
      swiftSettings: settings),
    .testTarget(
      name: "HardwareTests",
      dependencies: ["Hardware", "Certificates", "StationCore", "DeviceModel", "OCPP", "CRelay", "Threads"],
      swiftSettings: settings),
    .executableTarget(
      name: "tls-drill", dependencies: ["COpenSSL", "CTLSPeer"], path: "Tests/Support/tls-drill", cSettings: c),
    .executableTarget(
      name: "relayd-fake", dependencies: ["CRelay"], path: "Tests/Support/relayd-fake", cSettings: c),
    .testTarget(
      name: "RelayTests",
      dependencies: ["CRelay", "Hardware", "StationCore", "DeviceModel", "relayd-fake", "station-relayd"],
      swiftSettings: settings),
    .testTarget(
      name: "StationRuntimeTests",
      dependencies: nio + [
        .product(name: "NIOEmbedded", package: "swift-nio"),
        "StationRuntime", "StationCore", "CSMSLink", "Hardware", "Ledger", "Logs", "DeviceModel", "OCPP", "CProcess",
        "Threads",
      ],
      swiftSettings: settings),
    .target(
      name: "SimulatedWorld", dependencies: ["StationCore", "DeviceModel", "OCPP", "Ledger", "Logs"],
      path: "Tests/Simulation/World", swiftSettings: settings),
    .executableTarget(
      name: "simulate", dependencies: ["SimulatedWorld"], path: "Tests/Simulation/simulate", swiftSettings: settings),
    .testTarget(
      name: "SimulationTests", dependencies: ["SimulatedWorld"], path: "Tests/Simulation/SimulationTests",
      swiftSettings: settings),
  ]
)

// The fuzzing program has libFuzzer's main function and is built only by Scripts/fuzz.
if Context.environment["STATION_FUZZ"] != nil {
  package.targets.append(
    .executableTarget(
      name: "fuzz",
      dependencies: [
        "OCPP", "DeviceModel", "StationCore", "Ledger", "CSMSLink", "Certificates", "Hardware", "StationRuntime",
      ],
      path: "Tests/Fuzz/fuzz", swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])],
      linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address"])]))
}
