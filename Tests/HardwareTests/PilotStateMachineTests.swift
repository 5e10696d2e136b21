import StationCore
import Testing

@testable import Hardware

@Suite struct PilotStateMachineTests {
  /// A machine, its time in milliseconds, and what came out with its time.
  private struct Bench {
    var machine: PilotStateMachine
    var now = 0
    var log: [String] = []

    init(ventilation: Bool = false) { machine = PilotStateMachine(ventilation: ventilation) }

    private var time: MonotonicTime { MonotonicTime(nanoseconds: Int64(now) * 1_000_000) }

    private mutating func note(_ outputs: [PilotStateMachine.Output]) {
      for output in outputs {
        switch output {
        case .signal(.steadyHigh): log.append("\(now) x1")
        case .signal(.steadyLow): log.append("\(now) low")
        case .signal(.duty(let duty)): log.append("\(now) pwm \(duty.hundredths)")
        case .state(let state): log.append("\(now) \(state.rawValue)")
        case .open: log.append("\(now) open")
        case .raised(let name, let severity): log.append("\(now) +\(name)\(severity == .low ? " low" : "")")
        case .cleared(let name): log.append("\(now) -\(name)")
        }
      }
    }

    mutating func see(_ level: PilotLevel, diode: Bool? = nil) {
      note(machine.sample(PilotSample(level, diode: diode), at: time))
    }
    mutating func offer(_ milliamperes: Int64?) { note(machine.offer(milliamperes, at: time)) }
    mutating func unavailable(_ on: Bool) { note(machine.setUnavailable(on, at: time)) }

    /// Lets time pass from deadline to deadline.
    mutating func pass(_ milliseconds: Int) {
      let end = now + milliseconds
      while let deadline = machine.deadline, deadline.nanoseconds <= Int64(end) * 1_000_000 {
        let next = Int(deadline.nanoseconds / 1_000_000)
        guard next >= now else { return log.append("the deadline is in the past") }
        now = next
        let before = machine.deadline
        note(machine.timeIsUp(at: time))
        if machine.deadline == before { return log.append("the deadline does not pass") }
      }
      now = end
    }

    mutating func take() -> [String] {
      defer { log = [] }
      return log
    }

    /// In C with 16 A and a diode that was seen, at 2000 ms.
    static func charging(ventilation: Bool = false) -> Bench {
      var bench = Bench(ventilation: ventilation)
      bench.see(.plus9)
      bench.offer(16_000)
      bench.pass(1000)
      bench.see(.plus6, diode: true)
      bench.pass(1000)
      #expect(bench.take() == ["0 B", "0 pwm 2666", "1500 C"])
      return bench
    }
  }

  @Test func aVehicleAsksForHalfASecondBeforeItCounts() {
    var bench = Bench()
    bench.see(.plus12)
    bench.see(.plus9)
    bench.offer(10_000)
    bench.pass(100)
    bench.see(.plus6, diode: true)
    bench.pass(499)
    bench.see(.plus9, diode: true)
    bench.pass(1)
    bench.see(.plus6, diode: true)
    bench.pass(500)
    #expect(bench.take() == ["0 A", "0 B", "0 pwm 1666", "1100 C"])
  }

  @Test func itLeavesCAtOnce() {
    for (level, state) in [(PilotLevel.plus9, "B"), (.plus12, "A")] {
      var bench = Bench.charging()
      bench.see(level, diode: true)
      #expect(bench.take() == ["2000 \(state)", "2000 open"])
    }
  }

  @Test func withoutADiodeThereIsNoC() {
    var bench = Bench()
    bench.see(.plus9)
    bench.offer(16_000)
    bench.see(.plus6, diode: false)
    bench.pass(10_000)
    #expect(bench.take() == ["0 B", "0 pwm 2666", "500 +DiodeFault"])
    bench.see(.plus12)
    #expect(bench.take() == ["10000 A", "10000 -DiodeFault"])
  }

  @Test func theDiodeHasToBeSeenThroughTheDebounce() {
    var bench = Bench()
    bench.see(.plus9)
    bench.offer(16_000)
    bench.see(.plus6, diode: true)
    bench.pass(400)
    bench.see(.plus6, diode: false)
    bench.pass(10)
    bench.see(.plus6, diode: true)
    bench.pass(499)
    #expect(bench.take() == ["0 B", "0 pwm 2666"])
    bench.pass(1)
    #expect(bench.take() == ["910 C"])
  }

  @Test func withoutPWMNobodyPassesTheDiodeCheck() {
    var bench = Bench()
    bench.see(.plus6)
    bench.pass(5000)
    #expect(bench.take() == ["0 B"])
    bench.offer(16_000)
    // What was seen before the PWM came is no diode check.
    bench.pass(5000)
    #expect(bench.take() == ["5000 pwm 2666"])
    bench.see(.plus6, diode: true)
    bench.pass(500)
    #expect(bench.take() == ["10500 C"])
  }

  @Test func aDiodeThatIsLostWhileChargingOpens() {
    var bench = Bench.charging()
    bench.see(.plus6, diode: false)
    bench.pass(49)
    #expect(bench.take() == [])
    bench.pass(1)
    #expect(bench.take() == ["2050 B", "2050 open"])
    bench.pass(1000)
    #expect(bench.take() == ["2500 +DiodeFault"])
  }

  @Test(arguments: [PilotLevel.zero, .between])
  func aLostPilotOpensWithin100Milliseconds(_ level: PilotLevel) {
    var bench = Bench.charging()
    bench.see(level)
    bench.pass(50)
    #expect(bench.take() == ["2050 E", "2050 open", "2050 +PilotFault"])
    bench.see(.plus12)
    #expect(bench.take() == ["2050 A", "2050 -PilotFault"])
  }

  @Test func aVoltageBetweenTheWindowsIsForgivenForAMoment() {
    var bench = Bench.charging()
    bench.see(.between)
    bench.pass(49)
    bench.see(.plus6, diode: true)
    bench.pass(10_000)
    #expect(bench.take() == [])
  }

  @Test func ventilation() {
    var bench = Bench.charging()
    bench.see(.plus3, diode: true)
    #expect(bench.take() == ["2000 D", "2000 open", "2000 +VentilationNotAvailable"])
    bench.see(.plus9)
    #expect(bench.take() == ["2000 B", "2000 open", "2000 -VentilationNotAvailable"])
    var ventilated = Bench.charging(ventilation: true)
    ventilated.see(.plus3, diode: true)
    #expect(ventilated.take() == ["2000 D"])
  }

  @Test func theVehicleIsGivenSixSecondsToLeave() {
    var bench = Bench.charging()
    bench.offer(nil)
    bench.see(.plus6)
    bench.pass(2999)
    #expect(bench.take() == ["2000 x1"])
    bench.pass(1)
    #expect(bench.take() == ["5000 +InvalidVehicleMode low"])
    bench.pass(2999)
    #expect(bench.take() == [])
    bench.pass(1)
    #expect(bench.take() == ["8000 open"])
    bench.pass(10_000)
    bench.see(.plus9)
    #expect(bench.take() == ["18000 B", "18000 open", "18000 -InvalidVehicleMode"])
  }

  @Test func aVehicleThatLeavesInTimeIsNotOpenedUnderLoad() {
    var bench = Bench.charging()
    bench.offer(nil)
    bench.pass(1000)
    bench.see(.plus9)
    bench.pass(10_000)
    #expect(bench.take() == ["2000 x1", "3000 B", "3000 open"])
  }

  @Test func theOfferGoesDownAtOnceAndUpAfterFiveSeconds() {
    var bench = Bench()
    bench.see(.plus9)
    bench.offer(16_000)
    bench.pass(1000)
    bench.offer(32_000)
    bench.pass(500)
    bench.offer(10_000)
    bench.pass(100)
    bench.offer(20_000)
    bench.pass(4899)
    #expect(bench.take() == ["0 B", "0 pwm 2666", "1500 pwm 1666"])
    bench.pass(1)
    #expect(bench.take() == ["6500 pwm 3333"])
    bench.offer(nil)
    bench.offer(16_000)
    bench.pass(5000)
    #expect(bench.take() == ["6500 x1", "11500 pwm 2666"])
    bench.offer(5999)
    #expect(bench.take() == ["11500 x1"])
  }

  @Test func unavailable() {
    var bench = Bench()
    bench.see(.plus9)
    bench.unavailable(true)
    bench.see(.minus12)
    bench.pass(5000)
    #expect(bench.take() == ["0 B", "0 low", "0 F"])
    bench.unavailable(false)
    bench.see(.plus12)
    #expect(bench.take() == ["5000 x1", "5000 A"])
    // Nobody asked for F.
    bench.see(.minus12)
    bench.pass(500)
    #expect(bench.take() == ["5500 F", "5500 +PilotFault"])
  }

  @Test func unavailableWhileChargingLetsTheVehicleGoFirst() {
    var bench = Bench.charging()
    bench.unavailable(true)
    #expect(bench.take() == ["2000 x1"])
    bench.pass(1000)
    bench.see(.plus9)
    #expect(bench.take() == ["3000 B", "3000 open", "3000 low"])
    var stubborn = Bench.charging()
    stubborn.unavailable(true)
    stubborn.pass(6000)
    #expect(stubborn.take() == ["2000 x1", "5000 +InvalidVehicleMode low", "8000 open", "8000 low"])
  }

  @Test func whatWasForgottenIsDebouncedAnew() {
    var bench = Bench.charging()
    bench.machine.forget()
    #expect(bench.machine.state == nil)
    bench.see(.plus6, diode: true)
    bench.pass(499)
    #expect(bench.take() == [])
    bench.pass(1)
    #expect(bench.take() == ["2500 C"])
  }

  /// Whatever is seen and wanted: C and D only 500 ms after the last sight without a diode; the PWM never rises within 5 s of a
  /// change; deadlines pass.
  @Test func randomLives() {
    for seed in 1...60 {
      var random = TestRandom(seed: UInt64(seed))
      var bench = Bench(ventilation: seed % 2 == 0)
      var lastDuty = -1
      var lastChange = Int.min / 2
      for _ in 0..<400 {
        switch Int.random(in: 0..<10, using: &random) {
        case 0: bench.offer([nil, 6000, 16_000, 32_000, 63_000].randomElement(using: &random) ?? nil)
        case 1: bench.unavailable(Bool.random(using: &random))
        case 2: bench.machine.forget()
        default:
          let levels: [PilotLevel] = [.plus12, .plus9, .plus6, .plus6, .plus6, .plus3, .zero, .minus12, .between]
          bench.see(
            levels.randomElement(using: &random) ?? .plus12,
            diode: [true, true, true, false, nil].randomElement(using: &random) ?? nil)
        }
        bench.pass(Int.random(in: 0...1500, using: &random))
        for line in bench.take() {
          #expect(!line.contains("deadline"), "seed \(seed): \(line)")
          let words = line.split(separator: " ").map(String.init)
          guard let time = Int(words[0]), ["x1", "pwm", "low"].contains(words[1]) else { continue }
          if words[1] == "pwm", let duty = Int(words[2]) {
            if duty > lastDuty { #expect(time - lastChange >= 5000, "seed \(seed): \(line) after \(lastChange)") }
            lastDuty = duty
            lastChange = time
          } else if words[1] != "pwm" {
            lastDuty = -1
            lastChange = time
          }
        }
      }
    }
  }
}
