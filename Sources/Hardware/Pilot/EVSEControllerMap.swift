import DeviceModel
import StationCore

/// What one look at a Modbus EVSE controller gave.
struct EVSEControllerReading: Hashable, Sendable {
  enum Vehicle: Hashable, Sendable {
    case pilot(PilotState)
    /// A failure that the controller itself reports: its number.
    case failure(Int)
  }

  var vehicle: Vehicle
  /// The limit that stands in the controller, milliamperes; 0: none.
  var limit: Int64
  /// The controller may supply.
  var isEnabled: Bool
  /// The current that the pilot offers now, milliamperes; `nil`: not told.
  var output: Int64?
  /// Of the cable, amperes, 0: no plug; `nil`: not told.
  var cable: Int?
  var residualCurrent = false
  var firmware: Int?
}

/// The registers of one model: what is read and written, and in which units. Sources beside each.
struct EVSEControllerMap: Sendable {
  /// EVSE-WB, EVSE-DIN, SimpleEVSE: SimpleEVSE-WiFi (proto.h, main.cpp), openWB (evse.py; docs/infos.md), evcc (evsedin.go).
  enum EVSEDIN {
    /// Current set, A; 0.01 A with `fineBit` of 2005 and firmware 17 or later; 0: no offer.
    static let current: UInt16 = 1000
    /// From 1000: current set, current output, vehicle state, cable limit, turn-off, firmware, EVSE state, RCD.
    static let count = 8
    /// Bit 0: turned off now.
    static let turnOff: UInt16 = 1004
    static let configuration: UInt16 = 2005
    static let fineBit: UInt16 = 1 << 7
    static let fineFirmware = 17
    /// EVSE state (1006): off, steady 12 V.
    static let stateOff: UInt16 = 3
  }

  /// Phoenix Contact: evcc (phoenix-em-eth.go, phoenix-ev-eth.go); proximity current: JNX::PhoenixCharger.
  enum Phoenix {
    /// Input register: letter A to F in the low byte.
    static let status: UInt16 = 100
    /// Input register behind it, EM-CP-PP-ETH: A of the cable, 0 without a plug.
    static let statusAndCable = 2
    /// Holding register, A (EM-CP-PP-ETH).
    static let currentEM: UInt16 = 300
    /// Holding register, A (EV-CC-AC1-ETH).
    static let currentEV: UInt16 = 528
    /// Coil: charging enabled.
    static let enable: UInt16 = 400
  }

  let model: EVSEControllerModel
  let unit: UInt8
  /// EVSE-DIN: the limit is in hundredths of an ampere.
  var isFine = false

  // MARK: Reading

  /// Read once, and after each silence, before anything is written; `nil`: nothing to learn.
  var configuration: ModbusRead? {
    guard model == .evseDIN else { return nil }
    return ModbusRead(unit: unit, function: .holdingRegisters, address: EVSEDIN.configuration, count: 1)
  }

  /// The reads of one look, in their order.
  var reads: [ModbusRead] {
    switch model {
    case .evseDIN:
      return [ModbusRead(unit: unit, function: .holdingRegisters, address: EVSEDIN.current, count: EVSEDIN.count)]
    case .phoenixEMCPPPETH:
      return [
        ModbusRead(
          unit: unit, function: .inputRegisters, address: Phoenix.status, count: Phoenix.statusAndCable),
        ModbusRead(unit: unit, function: .holdingRegisters, address: Phoenix.currentEM, count: 1),
        ModbusRead(unit: unit, function: .coils, address: Phoenix.enable, count: 1),
      ]
    case .phoenixEVCCAC1ETH:
      return [
        ModbusRead(unit: unit, function: .inputRegisters, address: Phoenix.status, count: 1),
        ModbusRead(unit: unit, function: .holdingRegisters, address: Phoenix.currentEV, count: 1),
        ModbusRead(unit: unit, function: .coils, address: Phoenix.enable, count: 1),
      ]
    }
  }

  /// Of the answers to `reads`; a text when they say what cannot be.
  func reading(_ answers: [[UInt16]]) -> Result<EVSEControllerReading, EVSEControllerNonsense> {
    switch model {
    case .evseDIN: return evseDIN(answers[0])
    case .phoenixEMCPPPETH: return phoenix(answers, cable: Int(answers[0][1]))
    case .phoenixEVCCAC1ETH: return phoenix(answers, cable: nil)
    }
  }

  private func evseDIN(_ registers: [UInt16]) -> Result<EVSEControllerReading, EVSEControllerNonsense> {
    let vehicle: EVSEControllerReading.Vehicle
    switch registers[2] {
    case 1: vehicle = .pilot(.a)
    case 2: vehicle = .pilot(.b)
    case 3: vehicle = .pilot(.c)
    case 4: vehicle = .pilot(.d)
    case 5: vehicle = .failure(5)
    default: return .failure(EVSEControllerNonsense(text: "vehicle state \(registers[2]), expected 1 to 5"))
    }
    let limit = isFine ? Int64(registers[0]) * 10 : Int64(registers[0]) * 1000
    let output = isFine ? Int64(registers[1]) * 10 : Int64(registers[1]) * 1000
    guard limit <= DutyCycle.mostOffer, output <= DutyCycle.mostOffer else {
      return .failure(EVSEControllerNonsense(text: "a current of \(max(limit, output)) mA, expected at most 80 A"))
    }
    return .success(
      EVSEControllerReading(
        vehicle: vehicle, limit: limit, isEnabled: registers[4] & 1 == 0 && limit > 0, output: output,
        cable: [0, 13, 20, 32, 63, 70].contains(registers[3]) ? Int(registers[3]) : nil,
        residualCurrent: registers[7] != 0, firmware: Int(registers[5])))
  }

  private func phoenix(_ answers: [[UInt16]], cable: Int?) -> Result<EVSEControllerReading, EVSEControllerNonsense> {
    let letter = UInt8(answers[0][0] & 0xFF)
    guard let state = PilotState(rawValue: String(UnicodeScalar(letter))) else {
      return .failure(EVSEControllerNonsense(text: "status \(answers[0][0]), expected a letter A to F"))
    }
    let limit = Int64(answers[1][0]) * 1000
    guard limit <= DutyCycle.mostOffer else {
      return .failure(EVSEControllerNonsense(text: "a limit of \(answers[1][0]) A, expected at most 80 A"))
    }
    return .success(
      EVSEControllerReading(
        vehicle: .pilot(state), limit: limit, isEnabled: answers[2][0] == 1, output: nil,
        cable: cable.flatMap { [0, 13, 20, 32, 63, 70].contains($0) ? $0 : nil }))
  }

  // MARK: Writing

  /// What can be set of a limit, milliamperes: whole amperes, or hundredths, rounded down; 0 below 6 A.
  func settable(_ milliamperes: Int64, most: Int64) -> Int64 {
    let bounded = min(milliamperes, most, DutyCycle.mostOffer)
    guard bounded >= DutyCycle.leastOffer else { return 0 }
    return isFine ? bounded / 10 * 10 : bounded / 1000 * 1000
  }

  /// The writes that let the controller supply a limit, or (0) keep it from it: the switch-off first.
  func writes(limit: Int64) -> [ModbusWrite] {
    func register(_ address: UInt16, _ value: UInt16) -> ModbusWrite {
      ModbusWrite(unit: unit, address: address, values: .register(value))
    }
    switch model {
    case .evseDIN:
      let value = UInt16(isFine ? limit / 10 : limit / 1000)
      return limit > 0
        ? [register(EVSEDIN.current, value), register(EVSEDIN.turnOff, 0)]
        : [register(EVSEDIN.turnOff, 1), register(EVSEDIN.current, 0)]
    case .phoenixEMCPPPETH, .phoenixEVCCAC1ETH:
      let address = model == .phoenixEMCPPPETH ? Phoenix.currentEM : Phoenix.currentEV
      let enable = ModbusWrite(unit: unit, address: Phoenix.enable, values: .coil(limit > 0))
      // The least it knows is 6 A; what is off has no other.
      return limit > 0 ? [register(address, UInt16(limit / 1000)), enable] : [enable]
    }
  }

  /// Whether the controller does what was written.
  func follows(_ reading: EVSEControllerReading, limit: Int64) -> Bool {
    limit > 0 ? reading.isEnabled && reading.limit == limit : !reading.isEnabled
  }
}

/// An answer that no controller of the model gives.
struct EVSEControllerNonsense: Error, Hashable, Sendable {
  var text: String
}
