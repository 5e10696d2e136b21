/// Data of a vendor, allowed in every object of OCPP. All its members are kept.
public struct CustomDataType: OCPPDataType {
  /// At most 255 characters.
  public var vendorId: String
  /// The other members, in the order of the document. One that is named `vendorId` is not written.
  public var members: [JSONMember]

  public init(vendorId: String, members: [JSONMember] = []) {
    self.vendorId = vendorId
    self.members = members
  }

  /// The member of that name.
  public subscript(name: String) -> JSONValue? {
    members.first { $0.name == name }?.value
  }

  public static var blank: CustomDataType { CustomDataType(vendorId: "") }

  public mutating func read(from reader: inout JSONReader) throws(JSONFailure) {
    var vendorId: String?
    var members: [JSONMember] = []
    _ = try reader.peek()
    let start = reader.position
    try reader.members { (name: String, r: inout JSONReader) throws(JSONFailure) in
      if name == "vendorId" {
        vendorId = try r.string(maxLength: 255)
      } else {
        members.append(JSONMember(name: name, value: try r.value()))
      }
    }
    guard let vendorId else { throw reader.fail(.missingMember("vendorId"), at: start) }
    self.vendorId = vendorId
    self.members = members
  }

  public func write(into writer: inout JSONWriter) {
    writer.beginObject()
    writer.string("vendorId", vendorId)
    for member in members where member.name != "vendorId" {
      writer.key(named: member.name)
      writer.value(member.value)
    }
    writer.endObject()
  }
}
