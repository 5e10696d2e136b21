import OCPP
import Testing

@testable import DeviceModel
@testable import Hardware

@Suite struct BlockPlanTests {
  private func fields(_ spans: (Int, Int)..., function: UInt8 = 4) -> [MeterField] {
    spans.map { span in
      MeterField(parts: [
        MeterField.Part(
          span: .init(function: function, address: span.0, registers: span.1), type: .int32, lowWordFirst: false,
          scale: DecimalNumber(1))
      ])
    }
  }

  private func text(_ plan: BlockPlan) -> String {
    plan.blocks.map { "\($0.function):\($0.address)+\($0.count)" }.joined(separator: " ")
  }

  @Test func neighboursAreOneRead() {
    #expect(text(BlockPlan(fields((4, 2), (0, 2), (2, 2)), maxRegisters: 10, maxGap: 0)) == "4:0+6")
  }

  @Test func readsStayWithinTheLimit() {
    let nine = fields((0, 2), (2, 2), (4, 2), (6, 2), (8, 2), (10, 2), (12, 2), (14, 2), (16, 2))
    #expect(text(BlockPlan(nine, maxRegisters: 10, maxGap: 0)) == "4:0+10 4:10+8")
    #expect(text(BlockPlan(nine, maxRegisters: 5, maxGap: 0)) == "4:0+4 4:4+4 4:8+4 4:12+4 4:16+2")
  }

  @Test func gapsAreReadOverWhereTheMeterAllows() {
    let two = fields((0, 2), (6, 2))
    #expect(text(BlockPlan(two, maxRegisters: 80, maxGap: 4)) == "4:0+8")
    #expect(text(BlockPlan(two, maxRegisters: 80, maxGap: 3)) == "4:0+2 4:6+2")
    #expect(text(BlockPlan(two, maxRegisters: 7, maxGap: 4)) == "4:0+2 4:6+2")
    #expect(text(BlockPlan(two, maxRegisters: 80, maxGap: 4, level: .adjacent)) == "4:0+2 4:6+2")
  }

  @Test func valueByValue() {
    #expect(text(BlockPlan(fields((0, 2), (2, 2)), maxRegisters: 80, maxGap: 4, level: .single)) == "4:0+2 4:2+2")
  }

  @Test func registersOfTwoFieldsAreReadOnce() {
    #expect(text(BlockPlan(fields((0, 2), (0, 2), (1, 1)), maxRegisters: 80, maxGap: 0)) == "4:0+2")
    let mixed = fields((0, 2)) + fields((0, 2), function: 3)
    #expect(text(BlockPlan(mixed, maxRegisters: 80, maxGap: 0)) == "3:0+2 4:0+2")
  }

  @Test func someRegistersWantToBeAlone() {
    var list = fields((10, 1), (11, 1), (12, 1))
    list[1].parts[0].span.alone = true
    #expect(text(BlockPlan(list, maxRegisters: 80, maxGap: 0)) == "4:10+1 4:11+1 4:12+1")
  }

  @Test func exponentRegistersAreRead() {
    var list = fields((418, 2))
    list[0].parts[0].exponent = .init(span: .init(function: 4, address: 414, registers: 1), signed: true, bias: 0)
    #expect(text(BlockPlan(list, maxRegisters: 80, maxGap: 0)) == "4:414+1 4:418+2")
  }

  /// What a poll of each shipped meter costs, and that every read stays within the meter's limit.
  @Test func shippedModels() throws {
    let folder = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let all = MeterLibrary(directories: ["/\(folder)/DeviceModel/meters"]).all()
    #expect(all.problems.map(\.text) == [])
    #expect(all.models.count >= 21)
    var reads: [String: Int] = [:]
    for model in all.models {
      let fields = Array(MeterValues.polled(model).values)
      let plan = BlockPlan(fields, maxRegisters: model.maxRegistersPerRead, maxGap: model.maxGap)
      reads[model.id] = plan.blocks.count
      for block in plan.blocks { #expect(block.count <= model.maxRegistersPerRead, "\(model.id)") }
      for span in fields.flatMap(\.spans) {
        #expect(
          plan.blocks.contains {
            $0.function == span.function && $0.address <= span.address
              && span.address + span.registers <= $0.address + $0.count
          }, "\(model.id): \(span)")
      }
    }
    #expect(reads["eastron-sdm630"] == 1)
    #expect(reads["bauer-bsm-ws36a"] == 1)
    #expect(reads["eastron-sdm72-v1"] == 2)
    #expect(reads["abb-b21"] == 5)
  }
}
