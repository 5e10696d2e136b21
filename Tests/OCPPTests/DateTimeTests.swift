import OCPP
import Testing

@Suite struct DateTimeTests {
  @Test(
    arguments: [
      ("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:00.001Z", 1), ("1969-12-31T23:59:59.999Z", -1),
      ("2026-03-14T09:26:53.589Z", 1_773_480_413_589), ("2000-02-29T12:00:00Z", 951_825_600_000),
      ("2026-03-14T10:26:53.589+01:00", 1_773_480_413_589), ("2026-03-14T03:56:53.589-05:30", 1_773_480_413_589),
      ("2026-03-14t09:26:53.589z", 1_773_480_413_589), ("2026-03-14 09:26:53.589Z", 1_773_480_413_589),
      ("2026-03-14T09:26:53.5Z", 1_773_480_413_500), ("2026-03-14T09:26:53.58Z", 1_773_480_413_580),
      ("2026-03-14T09:26:53.589999999Z", 1_773_480_413_589), ("2016-12-31T23:59:60Z", 1_483_228_800_000),
      ("0000-01-01T00:00:00Z", -62_167_219_200_000), ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ] as [(String, Int64)])
  func rfc3339IsRead(text: String, milliseconds: Int64) throws {
    let time = try #require(DateTime(text))
    #expect(time.unixMilliseconds == milliseconds)
    #expect(time.zoneAssumed == false)
  }

  @Test(arguments: [
    "", "soon", "2026-03-14", "2026-03-14T09:26Z", "2026-13-14T09:26:53Z", "2026-00-14T09:26:53Z",
    "2026-02-29T09:26:53Z",
    "1900-02-29T00:00:00Z", "2026-04-31T09:26:53Z", "2026-03-14T24:00:00Z", "2026-03-14T09:60:53Z",
    "2026-03-14T09:26:61Z",
    "2026-03-14T09:26:53.Z", "2026-03-14T09:26:53.5+01", "2026-03-14T09:26:53+0100", "2026-03-14T09:26:53+24:00",
    "2026-03-14T09:26:53Zx", "2026/03/14T09:26:53Z", "2026-03-14X09:26:53Z", "-026-03-14T09:26:53Z",
    "0000-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "２026-03-14T09:26:53Z",
  ])
  func otherTextIsRefused(text: String) {
    #expect(DateTime(text) == nil)
  }

  @Test func missingZoneIsAssumedToBeUTC() throws {
    let time = try #require(DateTime("2026-03-14T09:26:53"))
    #expect(time.zoneAssumed)
    #expect(time == DateTime(unixMilliseconds: 1_773_480_413_000))
  }

  @Test func everyDayOfManyYearsIsWrittenAndReadAgain() throws {
    var previous = ""
    for day in stride(from: -719_528, through: 2_932_896, by: 97) {
      let time = DateTime(unixMilliseconds: Int64(day) * 86_400_000 + 12_345_678)
      let text = time.description
      #expect(text > previous)
      #expect(DateTime(text) == time)
      previous = text
    }
  }

  @Test func writtenInUTCWithMilliseconds() {
    #expect(DateTime(unixMilliseconds: 1_773_480_413_589).description == "2026-03-14T09:26:53.589Z")
    #expect(DateTime(unixMilliseconds: -1).description == "1969-12-31T23:59:59.999Z")
    #expect(DateTime(unixMilliseconds: 0).description == "1970-01-01T00:00:00.000Z")
  }

  @Test func valuesOutOfRangeAreBroughtToTheEnds() {
    #expect(DateTime(unixMilliseconds: .max).description == "9999-12-31T23:59:59.999Z")
    #expect(DateTime(unixMilliseconds: .min).description == "0000-01-01T00:00:00.000Z")
  }
}
