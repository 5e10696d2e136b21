import OCPP

/// Which samples a reading gives of a measurand, in the units of OCPP (Part 2, appendices: standardized units).
extension Station {
  private static let phaseNames: [PhaseEnumType] = [.l1, .l2, .l3]
  private static let phaseVoltageNames: [PhaseEnumType] = [.l1N, .l2N, .l3N]

  /// What the reading has of one measurand, in total and per phase as the meter gives it. Nothing when it has none.
  ///
  /// `offered`: the pilot's offer, milliamperes. `interval`: what the registers counted since the last value of the series.
  static func samples(
    of measurand: MeasurandEnumType, _ reading: MeterReading, context: ReadingContextEnumType, offered: Int64?,
    interval: MeterValues.Registers? = nil
  ) -> [SampledValueType] {
    // J01.FR.09: the main meter sits where the grid comes in.
    let location: LocationEnumType = reading.evse == 0 ? .inlet : .outlet
    func sample(_ thousandths: Int64, _ phase: PhaseEnumType? = nil) -> SampledValueType {
      SampledValueType(
        value: DecimalNumber(mantissa: thousandths, exponent: -3), context: context, location: location,
        measurand: measurand, phase: phase, unitOfMeasure: unit(of: measurand).map { UnitOfMeasureType(unit: $0) })
    }
    func one(_ value: Int64?) -> [SampledValueType] { value.map { [sample($0)] } ?? [] }
    let own: [SampledValueType]
    switch measurand {
    case .energyActiveImportRegister: own = one(reading.energyImport)
    case .energyActiveExportRegister: own = one(reading.energyExport)
    case .energyActiveImportInterval: own = one(interval?.imported)
    case .energyActiveExportInterval: own = one(interval?.exported)
    case .energyActiveNet:
      own = one(reading.energyExport.flatMap { exported in reading.energyImport.map { $0 &- exported } })
    case .powerActiveImport: own = one(reading.power.map { max(0, $0) })
    case .powerActiveExport: own = one(reading.power.map { max(0, 0 &- $0) })
    case .powerOffered:
      // Volts and amperes in thousandths give millionths.
      let volts = reading.voltage.reduce(0) { $0 + min(max($1, 0), 2_000_000) } / 1000
      own = one(volts > 0 ? offered.map { $0 * volts } : nil)
    case .currentImport: own = zip(reading.current, phaseNames).map { sample(max(0, $0), $1) }
    case .currentExport: own = zip(reading.current, phaseNames).map { sample(max(0, 0 &- $0), $1) }
    case .currentOffered: own = one(offered)
    case .voltage: own = zip(reading.voltage, phaseVoltageNames).map { sample($0, $1) }
    case .frequency: own = one(reading.frequency)
    case .soC: own = one(reading.stateOfCharge)
    default: own = []
    }
    // A meter that gives intervals itself goes before what its registers give.
    let others =
      reading.others
      + (interval?.others ?? []).filter { mine in
        !reading.others.contains { $0.measurand == mine.measurand && $0.phase == mine.phase }
      }
    return own + others.filter { $0.measurand == measurand }.map { sample($0.thousandths, $0.phase) }
  }

  /// The unit of `MeterSample.thousandths`; `nil` has none.
  private static func unit(of measurand: MeasurandEnumType) -> String? {
    switch measurand {
    case .powerFactor: return nil
    case .frequency: return "Hz"
    case .voltage: return "V"
    case .soC: return "Percent"
    case .currentImport, .currentExport, .currentOffered: return "A"
    case .powerReactiveImport, .powerReactiveExport: return "var"
    case .energyReactiveImportRegister, .energyReactiveExportRegister, .energyReactiveImportInterval,
      .energyReactiveExportInterval, .energyReactiveNet:
      return "varh"
    case .energyApparentImport, .energyApparentExport, .energyApparentNet: return "VAh"
    case .powerActiveImport, .powerActiveExport, .powerOffered: return "W"
    default: return "Wh"
    }
  }
}
