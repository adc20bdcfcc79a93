import SwiftProtobuf
import Testing

@testable import NomadPlugin

@Suite struct TopologyTests {
  private typealias Core = Topology.Core

  @Test(
    arguments: [
      (Topology.Core(), 0), (.init(baseSpeed: 1, maximumSpeed: 2, guessedSpeed: 3), 1),
      (.init(maximumSpeed: 2, guessedSpeed: 3), 2), (.init(guessedSpeed: 3), 3),
      (.init(baseSpeed: 1, guessedSpeed: 3), 1),
    ] as [(Topology.Core, UInt64)])
  func speedOfACore(core: Topology.Core, speed: UInt64) {
    #expect(core.speed == speed)
  }

  @Test(
    arguments: [
      (Topology(cores: []), 0),
      (Topology(cores: [], overrideTotalCompute: 900), 900),
      (
        Topology(cores: [.init(baseSpeed: 1000), .init(maximumSpeed: 2000), .init(guessedSpeed: 3000)]), 6000
      ),
      (Topology(cores: [.init(baseSpeed: 1000), .init()]), 1000),
      (Topology(cores: [.init(baseSpeed: 1000)], overrideTotalCompute: 4), 4),
      (Topology(cores: [.init(baseSpeed: .max), .init(baseSpeed: 1)]), .max),
    ] as [(Topology, UInt64)])
  func totalCompute(topology: Topology, compute: UInt64) {
    #expect(topology.totalCompute == compute)
  }

  @Test func coresThatNomadMayNotUseCount() {
    let wire = WireClientTopology.with {
      $0.cores = [
        .with { $0.baseSpeed = 1000 },
        .with {
          $0.baseSpeed = 1000
          $0.disable = true
          $0.coreGrade = .efficiency
        },
      ]
      $0.overrideWitholdCompute = 500
    }
    #expect(Topology(wire).totalCompute == 2000)
    #expect(Topology(wire).cores.count == 2)
  }

  @Test func ticks() {
    let topology = Topology(cores: [.init(baseSpeed: 3000), .init(baseSpeed: 1000)])
    #expect(topology.ticks(percent: 100) == 2000)
    #expect(topology.ticks(percent: 200) == 4000)
    #expect(topology.ticks(percent: 12.5) == 250)
    #expect(Topology(cores: [], overrideTotalCompute: 900).ticks(percent: 100) == 0)
  }
}
