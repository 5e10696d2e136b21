import OCPP
import Testing

@testable import DeviceModel

@Suite struct AddressTests {
  @Test(arguments: [
    ("TxCtrlr/EVConnectionTimeOut", VariableAddress(ComponentID("TxCtrlr"), VariableID("EVConnectionTimeOut"))),
    ("EVSE@1/Power#MaxSet", VariableAddress(ComponentID("EVSE", evse: 1), VariableID("Power"), .maxSet)),
    (
      "Connector@2.1/Available",
      VariableAddress(ComponentID("Connector", evse: 2, connector: 1), VariableID("Available"))
    ),
    (
      "DeviceDataCtrlr/ItemsPerMessage.GetReport",
      VariableAddress(ComponentID("DeviceDataCtrlr"), VariableID("ItemsPerMessage", instance: "GetReport"))
    ),
    (
      "TemperatureSensor.Cable@1.2/Temperature",
      VariableAddress(
        ComponentID("TemperatureSensor", instance: "Cable", evse: 1, connector: 2), VariableID("Temperature"))
    ),
    // The name ends at the first dot.
    (
      "OCPPCommCtrlr/FieldLength.Get15118EVCertificateResponse.exiResponse",
      VariableAddress(
        ComponentID("OCPPCommCtrlr"), VariableID("FieldLength", instance: "Get15118EVCertificateResponse.exiResponse"))
    ),
    ("a%2eb%40/c%23.d%2f%25", VariableAddress(ComponentID("a.b@"), VariableID("c#", instance: "d/%"))),
  ]) func readsAndWritesTheSameText(text: String, address: VariableAddress) throws {
    #expect(try VariableAddress(parsing: text) == address)
    #expect(address.description == text)
    // The key of the ledger leads back to the same variable.
    #expect(try VariableAddress(parsing: address.persistentKey) == address)
    #expect(address.persistentKey == text.lowercased())
  }

  @Test(arguments: [
    ("TxCtrlr", "\"TxCtrlr\" has no '/' between component and variable"),
    ("", "\"\" has no '/' between component and variable"),
    ("/A", "\"/A\" names no component"),
    ("A/", "\"A/\" names no variable"),
    ("A/.b", "\"A/.b\" names no variable"),
    ("A@/B", "\"@\" does not name an EVSE or a connector"),
    ("A@x/B", "\"@x\" does not name an EVSE or a connector"),
    ("A@1.2.3/B", "\"@1.2.3\" does not name an EVSE or a connector"),
    ("A@-1/B", "\"@-1\" does not name an EVSE or a connector"),
    ("A@99999999999999999999/B", "\"@99999999999999999999\" does not name an EVSE or a connector"),
    ("A%zz/B", "\"A%zz\" has a broken % escape"),
    ("A%4/B", "\"A%4\" has a broken % escape"),
    ("A%ff/B", "\"A%ff\" has a broken % escape"),
    ("A/B#Maxset2", "\"Maxset2\" is no attribute type"),
  ]) func refusesWhatIsNoAddress(text: String, message: String) {
    #expect(throws: VariableAddress.ParseError.self) { try VariableAddress(parsing: text) }
    do throws(VariableAddress.ParseError) {
      _ = try VariableAddress(parsing: text)
    } catch {
      #expect(error.message == message)
    }
  }

  @Test func attributeTypesAreSuggested() {
    do throws(VariableAddress.ParseError) {
      _ = try VariableAddress(parsing: "A/B#MaxSte")
    } catch {
      #expect(error.suggestion == "MaxSet")
      #expect(error.expected == "Actual, Target, MinSet, MaxSet")
    }
  }

  // Proves: B06.FR.15
  @Test func namesAreComparedWithoutCase() {
    #expect(ComponentID("EVSE", evse: 1) == ComponentID("evse", evse: 1))
    #expect(ComponentID("EVSE", evse: 1).hashValue == ComponentID("Evse", evse: 1).hashValue)
    #expect(ComponentID("EVSE", evse: 1) != ComponentID("EVSE", evse: 2))
    #expect(ComponentID("EVSE") != ComponentID("EVSE", evse: 1))
    #expect(ComponentID("C", evse: 1) != ComponentID("C", evse: 1, connector: 1))
    #expect(VariableID("A", instance: "x") == VariableID("a", instance: "X"))
    #expect(VariableID("A", instance: "x") != VariableID("A"))
    #expect(VariableID("A", instance: "") == VariableID("A"))
    #expect(ComponentID("A", instance: "") == ComponentID("A"))
    // Where name and instance meet makes a difference.
    #expect(VariableID("AB", instance: "C") != VariableID("A", instance: "BC"))
    // Only ASCII letters have two cases.
    #expect(VariableID("[") != VariableID("{"))
    #expect(VariableID("É") != VariableID("é"))
  }

  @Test func suggestionsAreNearOnes() {
    #expect(Suggestion.distance("kitten", "sitting") == 3)
    #expect(Suggestion.distance("", "abc") == 3)
    #expect(Suggestion.distance("ab", "ba") == 1)
    #expect(Suggestion.nearest(to: "Boolean", in: ["string", "boolean"]) == "boolean")
    #expect(Suggestion.nearest(to: "ReadOnyl", in: ["ReadOnly", "ReadWrite"]) == "ReadOnly")
    #expect(Suggestion.nearest(to: "xyz", in: ["string", "boolean"]) == nil)
    #expect(Suggestion.nearest(to: "boolean", in: ["boolean"]) == nil)
    #expect(Suggestion.nearest(to: "", in: ["a"]) == nil)
    #expect(Suggestion.nearest(to: String(repeating: "a", count: 10_000), in: ["a"]) == nil)
  }
}
