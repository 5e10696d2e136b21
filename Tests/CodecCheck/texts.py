"""JSON texts written by hand: what a schema cannot say, and the named tolerances between the package and our codec."""

from dataclasses import dataclass

# Where our verdict is not the package's, and why. Every name is used by a text below that shows the difference.
TOLERANCES = {
    "dateTimeFormat": "the package does not check `format`; a point in time that is none cannot be used, so it is refused",
    "dateTimeForm": "points in time are written again in UTC with milliseconds: the same instant, another text",
    "duplicateMember": "Python keeps the last of two members of one name; which one is meant is unknown, so it is refused",
    "nonFinite": "Python reads NaN and Infinity, which are not JSON",
    "loneSurrogate": "Python keeps half a surrogate pair in a string; it is not Unicode text and is refused",
    "integerRange": "integers of Python have no limit, ours are 64 bits wide",
    "numberRange": "numbers are kept exactly: 64 bits of digits, exponent within 127; Python rounds, or makes it infinite",
    "depth": "nesting is limited to 64 levels",
}


@dataclass
class Text:
    label: str
    message: str
    json: bytes
    tolerance: str | None = None
    # For refused ones: our code.
    code: str | None = None
    version: str = "v201"


def heartbeat(time):
    return b'{"currentTime":' + time + b"}"


def data(json):
    return b'{"vendorId":"v","data":' + json + b"}"


FORMAT, TYPE = "FormatViolation", "TypeConstraintViolation"
PROPERTY, OCCURRENCE = "PropertyConstraintViolation", "OccurrenceConstraintViolation"
CALLED = "HeartbeatResponse"
ANY = "DataTransferRequest"


def number_text(label, number, tolerance=None, code=None):
    json = b'{"transactionId":"t","totalCost":' + number + b"}"
    return Text(label, "CostUpdatedRequest", json, tolerance, code)


def integer_text(label, number, tolerance=None, code=None):
    return Text(label, "GetReportRequest", b'{"requestId":' + number + b"}", tolerance, code)


TEXTS = [
    Text("nothing", CALLED, b"", code=FORMAT),
    Text("white space only", CALLED, b"  ", code=FORMAT),
    Text("white space", CALLED, b' \t\r\n{ "currentTime"\n:\t"2026-03-14T09:26:53.589Z" } \r\n'),
    Text("form feed is no white space", CALLED, b'{\x0c"currentTime":"2026-03-14T09:26:53.589Z"}', code=FORMAT),
    Text("byte order mark", CALLED, b'\xef\xbb\xbf{"currentTime":"2026-03-14T09:26:53.589Z"}', code=FORMAT),
    Text("something behind", CALLED, b'{"currentTime":"2026-03-14T09:26:53.589Z"} x', code=FORMAT),
    Text("cut in half", CALLED, b'{"currentTime":"2026-03-14T09', code=FORMAT),
    Text("cut before the end", CALLED, b'{"currentTime":"2026-03-14T09:26:53.589Z"', code=FORMAT),
    Text("trailing comma", CALLED, b'{"currentTime":"2026-03-14T09:26:53.589Z",}', code=FORMAT),
    Text("no comma", ANY, b'{"vendorId":"v" "messageId":"m"}', code=FORMAT),
    Text("no colon", ANY, b'{"vendorId" "v"}', code=FORMAT),
    Text("key without quotes", ANY, b'{vendorId:"v"}', code=FORMAT),
    Text("single quotes", ANY, b"{'vendorId':'v'}", code=FORMAT),
    Text("comment", ANY, b'{"vendorId":"v"/* */}', code=FORMAT),
    Text("nul", ANY, data(b"nul"), code=FORMAT),
    Text("True", ANY, data(b"True"), code=FORMAT),
    Text("array cut", ANY, data(b"[1,2"), code=FORMAT),
    Text("array with trailing comma", ANY, data(b"[1,]"), code=FORMAT),
    Text("array with leading comma", ANY, data(b"[,1]"), code=FORMAT),
    Text("object with leading comma", ANY, data(b'{,"a":1}'), code=FORMAT),
    Text("brackets that do not match", ANY, data(b'[{"a":1]}'), code=FORMAT),
    Text("not an object", CALLED, b"[]", code=TYPE),
    Text("a string", CALLED, b'"x"', code=TYPE),
    # Strings
    Text("escapes", ANY, data(rb'"\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\udd0c"')),
    Text("escape of zero", ANY, data(rb'"\u0000"')),
    Text("escaped key", ANY, rb'{"vendor\u0049d":"v"}'),
    Text("escaped key in full", ANY, b'{"' + b"".join(b"\\u%04x" % c for c in b"vendorId") + b'":"v"}'),
    Text("escaped unknown key", ANY, rb'{"vendorId":"v","vendor\u0049x":"v"}', code=OCCURRENCE),
    Text("escaped enum value", "ClearCacheResponse", rb'{"status":"\u0041ccepted"}'),
    Text("escaped enum value, unknown", "ClearCacheResponse", rb'{"status":"\u0042ccepted"}', code=PROPERTY),
    Text("escaped time", CALLED, heartbeat(rb'"2026-03-14\u005409:26:53.589Z"')),
    Text("escapes count once", ANY, b'{"vendorId":"v","messageId":"' + rb"\ud83d\udd0c" * 50 + b'"}'),
    Text("escapes too long", ANY, b'{"vendorId":"v","messageId":"' + rb"\u0041" * 51 + b'"}', code=PROPERTY),
    Text("combining characters count", ANY, b'{"vendorId":"v","messageId":"' + "e\u0301".encode() * 26 + b'"}',
         code=PROPERTY),
    Text("unknown escape", ANY, data(rb'"\x41"'), code=FORMAT),
    Text("short escape", ANY, data(rb'"\u12"'), code=FORMAT),
    Text("escape that is no hex", ANY, data(rb'"\u12g4"'), code=FORMAT),
    Text("escape at the end", ANY, b'{"vendorId":"v","data":"\\', code=FORMAT),
    Text("high surrogate", ANY, data(rb'"\ud83d"'), "loneSurrogate", FORMAT),
    Text("low surrogate", ANY, data(rb'"\udd0c"'), "loneSurrogate", FORMAT),
    Text("surrogates the wrong way round", ANY, data(rb'"\udd0c\ud83d"'), "loneSurrogate", FORMAT),
    Text("high surrogate and text", ANY, data(rb'"\ud83dabcdef"'), "loneSurrogate", FORMAT),
    Text("control character", ANY, data(b'"a\x01b"'), code=FORMAT),
    Text("line break in a string", ANY, data(b'"a\nb"'), code=FORMAT),
    Text("delete is allowed", ANY, data(b'"\x7f"')),
    Text("UTF-8", ANY, data('"aé€\U0001F50C\uffff\U0010ffff"'.encode())),
    Text("UTF-8 key and value in customData", ANY, '{"vendorId":"v","customData":{"vendorId":"ü","größe":"\U0001F50C"}}'.encode()),
    Text("bare continuation byte", ANY, data(b'"\x80"'), code=FORMAT),
    Text("overlong form", ANY, data(b'"\xc0\x80"'), code=FORMAT),
    Text("overlong form of three", ANY, data(b'"\xe0\x80\x80"'), code=FORMAT),
    Text("surrogate in UTF-8", ANY, data(b'"\xed\xa0\x80"'), code=FORMAT),
    Text("beyond Unicode", ANY, data(b'"\xf4\x90\x80\x80"'), code=FORMAT),
    Text("sequence cut", ANY, data(b'"\xe2\x82"'), code=FORMAT),
    Text("byte FF", ANY, data(b'"\xff"'), code=FORMAT),
    Text("invalid UTF-8 in a key", ANY, b'{"vendorId":"v","\xff":1}', code=FORMAT),
    # Numbers
    integer_text("minus zero", b"-0"),
    integer_text("1.0 is no integer", b"1.0", code=TYPE),
    integer_text("1.5", b"1.5", code=TYPE),
    integer_text("1e3 is no integer", b"1e3", code=TYPE),
    integer_text("leading zero", b"01", code=FORMAT),
    integer_text("plus", b"+1", code=FORMAT),
    integer_text("minus alone", b"-", code=FORMAT),
    integer_text("hexadecimal", b"0x10", code=FORMAT),
    integer_text("largest", b"9223372036854775807"),
    integer_text("smallest", b"-9223372036854775808"),
    integer_text("one more", b"9223372036854775808", "integerRange", PROPERTY),
    integer_text("one less", b"-9223372036854775809", "integerRange", PROPERTY),
    integer_text("twenty digits", b"99999999999999999999", "integerRange", PROPERTY),
    integer_text("forty digits", b"1" + b"0" * 39, "integerRange", PROPERTY),
    integer_text("NaN as integer", b"NaN", code=FORMAT),
    number_text("0.1", b"0.1"),
    number_text("trailing zeros", b"1.500"),
    number_text("exponents", b"12.5e2"),
    number_text("small exponent", b"1E-7"),
    number_text("plus in the exponent", b"1e+2"),
    number_text("zero with exponent", b"0e99999"),
    number_text("minus zero", b"-0.0"),
    number_text("point without digits", b"1.", code=FORMAT),
    number_text("point first", b".5", code=FORMAT),
    number_text("exponent without digits", b"1e", code=FORMAT),
    number_text("two points", b"1.2.3", code=FORMAT),
    number_text("eighteen digits", b"0.123456789012345678"),
    number_text("leading zeros of a fraction", b"0.000000000000000000000000000012"),
    number_text("many zeros", b"1.5" + b"0" * 60),
    number_text("large", b"1e145"),
    number_text("twenty-five digits", b"0.1234567890123456789012345", "numberRange", PROPERTY),
    number_text("1e146", b"1e146", "numberRange", PROPERTY),
    number_text("1e400", b"1e400", "numberRange", PROPERTY),
    number_text("1e-400", b"1e-400", "numberRange", PROPERTY),
    number_text("exponent beyond an integer", b"1e99999999999999999999", "numberRange", PROPERTY),
    number_text("NaN", b"NaN", "nonFinite", FORMAT),
    number_text("Infinity", b"Infinity", "nonFinite", FORMAT),
    number_text("minus Infinity", b"-Infinity", "nonFinite", FORMAT),
    Text("huge number where anything goes", ANY, data(b"123456789012345678901234567890")),
    # Members
    Text("member twice", ANY, b'{"vendorId":"v","vendorId":"v"}', "duplicateMember", OCCURRENCE),
    Text("member twice, once escaped", ANY, rb'{"vendorId":"v","vendor\u0049d":"v"}', "duplicateMember", OCCURRENCE),
    Text("member twice in data", ANY, data(b'{"a":1,"a":2}'), "duplicateMember", OCCURRENCE),
    Text("vendorId twice in customData", ANY, b'{"vendorId":"v","customData":{"vendorId":"a","vendorId":"b"}}',
         "duplicateMember", OCCURRENCE),
    Text("empty key", ANY, b'{"vendorId":"v","":1}', code=OCCURRENCE),
    Text("empty key in data", ANY, data(b'{"":1}')),
    Text("value that only 2.1 has", "ResetRequest", b'{"type":"ImmediateAndResume"}', code=PROPERTY),
    Text("value that only 2.1 has, on 2.1", "ResetRequest", b'{"type":"ImmediateAndResume"}', version="v21"),
    # Depth
    Text("deep enough", ANY, data(b"[" * 63 + b"]" * 63)),
    Text("too deep", ANY, data(b"[" * 64 + b"]" * 64), "depth", FORMAT),
    Text("too deep, objects", ANY, data(b'{"a":' * 64 + b"1" + b"}" * 64), "depth", FORMAT),
    Text("ten thousand deep", ANY, data(b"[" * 10000 + b"]" * 10000), None, FORMAT),
    # Time
    Text("offset", CALLED, heartbeat(b'"2026-03-14T10:26:53+01:00"'), "dateTimeForm"),
    Text("no zone", CALLED, heartbeat(b'"2026-03-14T10:26:53"'), "dateTimeForm"),
    Text("microseconds", CALLED, heartbeat(b'"2026-03-14T10:26:53.123456Z"'), "dateTimeForm"),
    Text("no time", CALLED, heartbeat(b'"soon"'), "dateTimeFormat", PROPERTY),
    Text("day that does not exist", CALLED, heartbeat(b'"2026-02-29T00:00:00Z"'), "dateTimeFormat", PROPERTY),
    Text("hour 24", CALLED, heartbeat(b'"2026-02-28T24:00:00Z"'), "dateTimeFormat", PROPERTY),
    Text("date only", CALLED, heartbeat(b'"2026-02-28"'), "dateTimeFormat", PROPERTY),
    Text("empty time", CALLED, heartbeat(b'""'), "dateTimeFormat", PROPERTY),
]
